"""driftseg examples, as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.api.examples import copy_examples, examples
from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError

FOLDER = Path(__file__).parents[2] / "examples"


def test_all_are_listed_with_a_line_each(driftseg) -> None:
    done = driftseg("examples")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in FOLDER.iterdir())
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)


def test_copies_are_the_files(driftseg, tmp_path: Path) -> None:
    done = driftseg("examples", "town_demo", "my_video.yaml", "--copy", tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    copies = sorted((tmp_path / "mine").iterdir())
    assert [path.name for path in copies] == ["my_video.yaml", "town_demo.yaml"]
    for path in copies:
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()
    read_config(tmp_path / "mine" / "town_demo.yaml", RunConfig)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "town_storm.yaml").write_text("mine")
    with pytest.raises(
        InputError,
        match=r"town_storm\.yaml: expected a path where there is no file, got an existing",
    ):
        copy_examples(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["town_storm.yaml"]
    assert (tmp_path / "town_storm.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["town", "--copy", "here"], "town: expected the name of an example, got an unknown"),
        (["town_demo"], "error: town_demo: expected a folder to copy the example to, got none"),
        (["--copy", "/proc/nowhere"], "/proc/nowhere: expected a folder that can be"),
    ],
)
def test_mistakes(driftseg, arguments: list[str], message: str) -> None:
    done = driftseg("examples", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_every_example_says_what_it_is() -> None:
    for example in examples():
        assert 20 < len(example.text) < 300, example.name
