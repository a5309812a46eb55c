"""docs/api.md, made from the docstrings: ``python -m driftseg.api.page > docs/api.md``."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 100
INTRODUCTION = """\
# API

What `import driftseg` offers. What is not named here is private: it may change from one version to
the next. Encoders, methods and datasets of your own may also import what
[own_encoders.md](own_encoders.md), [own_methods.md](own_methods.md) and
[own_datasets.md](own_datasets.md) import. Arrays say their shape, H rows by W columns; images are
RGB.

`python -m driftseg.api.page > docs/api.md` makes this page from the docstrings, and a test keeps
it true.
"""


@dataclass(frozen=True)
class Section:
    """Names that belong together."""

    title: str
    room: str
    """Where they are imported from."""
    names: tuple[str, ...]
    text: str = ""
    """What to know of all of them."""


SECTIONS = (
    Section("Models", "driftseg", ("load_model", "Model")),
    Section("Adapting", "driftseg", ("adapt", "OnlineModel", "Answer", "State")),
    Section("Images, frames and drives", "driftseg", ("frames", "drive", "LivePage")),
    Section("Export", "driftseg", ("export", "Exported", "load_exported", "ExportedModel")),
    Section("Datasets", "driftseg", ("load_dataset", "check_data", "make_weather_set")),
    Section(
        "Commands", "driftseg",
        ("run", "resume", "repeat", "evaluate", "train", "calibrate", "report", "find_runs",
         "tag_run", "note_run", "compare_runs", "sweep", "tune", "inspect", "Moment", "Progress"),
        "What the command line does, as functions.",
    ),
    Section(
        "Checks", "driftseg", ("check_encoder", "check_method", "check_dataset"),
        "Whether an encoder, a method or a dataset of your own keeps the laws.",
    ),
    Section("Errors and version", "driftseg", ("InputError", "RunInterrupted", "__version__")),
    Section(
        "Weather", "driftseg.weather",
        ("rain", "fog", "night", "snow", "wet_road", "lens_drops", "Camera", "CAMERAS"),
        "One weather on one image. `make_weather_set` puts a dataset into weather.",
    ),
    Section(
        "Metrics", "driftseg.metrics",
        ("confusion", "Score", "continual", "Continual", "harmonic_mean", "recovery",
         "total_recovery", "latency", "Latency"),
        "Scores, usable alone.",
    ),
    Section(
        "Methods", "driftseg.methods",
        ("METHODS", "AdaptiveModel", "Composition", "MethodSettings", "Needs",
         "Supplies", "Tent", "NormStatistics", "SelfTraining", "ReplayTraining", "Memory",
         "Always", "Never", "Every", "AfterChange", "Answer", "Order", "Step", "drift_signal"),
        "The parts that methods are made of, for methods of your own (docs/own_methods.md).",
    ),
)  # fmt: skip
RETURNED = (
    "driftseg.frame:Prediction", "driftseg.frame:Adaptation", "driftseg.frame:Scene",
    "driftseg.labels.spaces:LabelSpace", "driftseg.api.commands:Evaluation",
    "driftseg.api.commands:Trained", "driftseg.api.driving:Drove",
    "driftseg.models.checkpoints.inspection:Inspection",
    "driftseg.checking.findings:DatasetCheck", "driftseg.weather_sets.making:Outcome",
    "driftseg.conformance.laws:Finding", "driftseg.finding.entry:FoundRun",
    "driftseg.runs.remarks:Remarks", "driftseg.report.comparison:Comparison",
    "driftseg.report.comparison:Row", "driftseg.report.comparison:Difference",
    "driftseg.report.bootstrap:Interval", "driftseg.report.summary:Spread",
    "driftseg.runs.repeating:Repetition", "driftseg.sweeps.outcome:Swept",
    "driftseg.sweeps.driving:SweepRun", "driftseg.sweeps.outcome:SweepGroup",
    "driftseg.sweeps.choosing:Tuned", "driftseg.sweeps.choosing:Choice",
)  # fmt: skip
"""What calls return and nobody imports."""
TYPES = (
    "driftseg.frame:Image", "driftseg.frame:Label", "driftseg.frame:Depth",
    "driftseg.images.reading:Size", "driftseg.api.adapting:Labelled",
    "driftseg.api.commands:Given", "driftseg.runs.loop:Watch", "driftseg.api.data:Amounts",
    "driftseg.api.stated:StatedClasses", "driftseg.api.stated:StatedCamera",
    "driftseg.api.stated:StatedDepth", "driftseg.weather.alone:Seed",
)  # fmt: skip
"""Short names of types in signatures."""
CONSTANTS = {"METHODS": "driftseg.methods.table", "CAMERAS": "driftseg.weather.camera"}
"""Where names that are neither functions nor classes are assigned."""
VERSION = "The package's version."


def page() -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION, _contents()]
    for section in SECTIONS:
        parts.append(f"## {section.title}\n")
        where = "" if section.room == "driftseg" else f"In `{section.room}`. "
        if told := where + section.text:
            parts.append(_wrapped(told.strip()))
        room = importlib.import_module(section.room)
        for name in section.names:
            title = f"{section.room}.{name}"
            parts += _entry(title, name, getattr(room, name), made=section.room != "driftseg")
    parts.append("## What calls return\n")
    parts.append(_wrapped("Objects that you get and need not import."))
    for place in RETURNED:
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        parts += _entry(name, name, found, made=False)
    parts.append("## Types in signatures\n")
    parts.append("".join(_alias(place) for place in TYPES))
    return "\n".join(parts).rstrip() + "\n"


def _contents() -> str:
    titles = [*(section.title for section in SECTIONS), "What calls return", "Types in signatures"]
    links = (f"[{title}](#{title.lower().replace(' ', '-')})" for title in titles)
    return " ·\n".join(links) + "\n"


def _entry(title: str, name: str, found: Any, *, made: bool) -> Iterator[str]:
    """One name: its heading, signature, text and arguments.

    Args:
        title: the heading.
        name: what is called.
        found: the object.
        made: whether users make objects of a class themselves.
    """
    yield f"### {title}\n"
    if inspect.isclass(found):
        yield from _class(name, found, made=made)
    elif inspect.isfunction(found):
        yield _code(_signature(name, found))
        yield from _told(_docstring(found))
    elif isinstance(found, str):
        yield _wrapped(VERSION)
    else:
        yield _wrapped(_assigned(importlib.import_module(CONSTANTS[name]))[name])
        yield _wrapped("Names: " + ", ".join(f"`{key}`" for key in found) + ".")


def _alias(place: str) -> str:
    """A short name of a type: what it stands for, and its docstring."""
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    tree = ast.parse(inspect.getsource(owner))
    value = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    told = _assigned(owner).get(name, "")
    return _bullet(f"`{name}` is `{ast.unparse(value)}`{f': {told}' if told else ''}")


def _class(name: str, found: type, *, made: bool) -> Iterator[str]:
    constructed = made and not dataclasses.is_dataclass(found) and "__init__" in vars(found)
    parts = _docstring(found)
    if constructed:
        yield _code(_signature(name, found))
    else:
        parts.pop("Args", None)  # of a constructor that nobody needs to call
    yield from _told(parts)
    if lines := [*_fields(found), *_members(found)]:
        yield "Attributes and methods:\n"
        yield "".join(lines)


def _fields(found: type) -> Iterator[str]:
    """Attributes that are declared in the class, each with what its docstring says."""
    told = _assigned(found)
    for name, annotation in inspect.get_annotations(found).items():
        if not name.startswith("_"):
            text = f": {told[name]}" if name in told else ""
            default = vars(found).get(name, found)
            plain = default is None or isinstance(default, bool | int | float | str | tuple)
            ends = f" = {default!r}" if plain else ""
            yield _bullet(f"`{name}: {_type(annotation)}{ends}`{text}")


def _members(found: type) -> Iterator[str]:
    """Methods and properties of the class's own."""
    for name, member in vars(found).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield _bullet(f"`{name}`: {_docstring(member)['']}")
        elif inspect.isfunction(member):
            parts = _docstring(member)
            yield _bullet(f"`{_signature(name, member, wide=True)}`: {parts['']}")
            for argument, text in _items(parts.get("Args", "")):
                yield _bullet(f"`{argument}`: {text}", indent=2)
            for section in ("Returns", "Raises"):
                if section in parts:
                    yield _bullet(f"{section}: {_sentence(section, parts[section])}", indent=2)


def _told(parts: Mapping[str, str]) -> Iterator[str]:
    """Text, arguments, and what comes back."""
    for paragraph in parts[""].split("\n\n"):
        words, *points = re.split(r"^\* ", paragraph, flags=re.MULTILINE)
        if words:
            yield _wrapped(words)
        if points:
            yield "".join(_bullet(point) for point in points)
    if "Args" in parts:
        yield "Arguments:\n"
        yield "".join(_bullet(f"`{name}`: {text}") for name, text in _items(parts["Args"]))
    for section in ("Returns", "Raises"):
        if section in parts:
            yield _wrapped(f"**{section}**: {_sentence(section, parts[section])}")


def _sentence(section: str, text: str) -> str:
    if section == "Returns":
        return text
    return "; ".join(f"`{name}`: {why.rstrip('.')}" for name, why in _items(text)) + "."


def _docstring(found: Any) -> dict[str, str]:
    """A docstring's text under the empty key, and its sections by name."""
    pieces = re.split(
        r"^(Args|Returns|Raises):\n", _markdown(found.__doc__ or ""), flags=re.MULTILINE
    )
    parts = {"": pieces[0].strip()}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        parts[name] = textwrap.dedent(body).strip()
    return parts


def _items(section: str) -> list[tuple[str, str]]:
    """Arguments or errors of a section, each with its text."""
    items: list[tuple[str, str]] = []
    for line in section.splitlines():
        name, colon, text = line.partition(":")
        if colon and not line.startswith(" "):
            items.append((name, text.strip()))
        elif items:
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
    return items


def _assigned(owner: Any) -> dict[str, str]:
    """What stands in the docstrings below the assignments of a module or class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = tree.body if inspect.ismodule(owner) else tree.body[0].body  # type: ignore[attr-defined]
    told = {}
    for node, after in itertools.pairwise(body):
        if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                told[target.id] = " ".join(_markdown(str(after.value.value)).split())
    return told


def _markdown(docstring: str) -> str:
    """A docstring with code and links as Markdown has them."""
    text = inspect.cleandoc(docstring).replace("``", "`")
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def _signature(name: str, found: Any, *, wide: bool = False) -> str:
    """A call as it is written in source; over several lines where it is long, unless ``wide``."""
    signature = inspect.signature(found)
    parameters, star = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parameters.append("*")
            star = True
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        parameters.append(_parameter(parameter))
    back = signature.return_annotation
    ends = "" if back is signature.empty or inspect.isclass(found) else f" -> {_type(back)}"
    line = f"{name}({', '.join(parameters)}){ends}"
    if wide or len(line) <= WIDTH:
        return line
    inner = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{name}(\n{inner}){ends}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL)
    stars += "**" * (parameter.kind is parameter.VAR_KEYWORD)
    told = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        told += f": {_type(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        told += f" = {parameter.default!r}"
    return told


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _bullet(text: str, *, indent: int = 0) -> str:
    return _wrapped(f"- {text}", indent=indent)


def _wrapped(text: str, *, indent: int = 0) -> str:
    """A paragraph, or a bullet, in lines of at most `WIDTH`."""
    under = " " * (indent + 2 * text.startswith("- "))
    return textwrap.fill(
        " ".join(text.split()), WIDTH, initial_indent=" " * indent, subsequent_indent=under,
        break_long_words=False, break_on_hyphens=False,
    ) + "\n"  # fmt: skip


if __name__ == "__main__":
    print(page(), end="")
