"""The example configs that come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from driftseg.errors import InputError


@dataclass(frozen=True)
class Example:
    """An example config."""

    name: str
    """Of the file, ``NAME.yaml``."""
    text: str
    """What it does: the first comment of the file, in one line."""
    content: str
    """The whole file."""


def examples() -> list[Example]:
    """All example configs of the package, by name."""
    folder = files("driftseg") / "examples"
    found = [path for path in folder.iterdir() if path.name.endswith(".yaml")]
    return [
        _example(path.name.removesuffix(".yaml"), path.read_text(encoding="utf-8"))
        for path in sorted(found, key=lambda path: path.name)
    ]


def copy_examples(folder: str | Path, names: Sequence[str] = ()) -> list[Path]:
    """Copies example configs into a folder; it is made where there is none.

    Args:
        folder: where to.
        names: which of them; empty copies all.

    Returns:
        The new files.

    Raises:
        InputError: there is no such example, a file of that name is there already, or the folder
            cannot be written to. Nothing is copied then.
    """
    known = {example.name: example for example in examples()}
    chosen = [name.removesuffix(".yaml") for name in names] or list(known)
    for name in chosen:
        if name not in known:
            raise InputError(
                f"{name}: expected the name of an example, got an unknown one. To fix: driftseg "
                "examples lists the names"
            )
    paths = {Path(folder) / f"{name}.yaml": known[name].content for name in chosen}
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path}: expected a path where there is no file, got an existing file. To fix: "
                "name another folder"
            )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path, content in paths.items():
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder that can be written to, got an error ({error.strerror}). "
            "To fix: name another folder"
        ) from None
    return list(paths)


def _example(name: str, content: str) -> Example:
    comment: list[str] = []
    for line in content.splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or line.startswith("#  ") or not text:
            break
        comment.append(text)
    return Example(name, " ".join(comment).split(". ")[0].rstrip("."), content)
