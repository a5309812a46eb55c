"""Classes of one's own: what may be stated, how, and what is told of mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from driftseg.errors import InputError
from driftseg.labels import (
    CAMVID11,
    CITYSCAPES19,
    LABEL_SPACES,
    MAPPINGS,
    Classes,
    ClassesSettings,
    colours_of,
    mapping_between,
    named_classes,
    space_of,
)
from driftseg.labels.classes import read_classes, read_plain
from driftseg.labels.spaces import palette

OURS = space_of(["track", "grass", "obstacle", "sky"])


def stated(**values: object) -> Classes:
    found = ClassesSettings.model_validate(values).stated_classes()
    assert found is not None
    return found


def test_a_list_of_names() -> None:
    classes = stated(classes=["track", "grass"])
    assert (classes.space.name, classes.space.classes) == ("own", ("track", "grass"))
    assert classes.ids is None
    assert len(set(classes.space.colours)) == 2


def test_ids_and_colours() -> None:
    classes = stated(
        classes=["track", {"name": "grass", "ids": [5, 6], "colour": [1, 2, 3]}], ignored_ids=[9]
    )
    assert classes.ids == {0: 0, 5: 1, 6: 1, 9: 255, 255: 255}
    assert classes.space.colours[1] == (1, 2, 3)


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_presets_are_the_same_thing(name: str) -> None:
    assert stated(classes=name).space is LABEL_SPACES[name]
    assert stated(classes=list(LABEL_SPACES[name].classes)).space is LABEL_SPACES[name]
    assert named_classes(name, "x").space is LABEL_SPACES[name]


def test_a_file_has_the_same_keys(tmp_path: Path) -> None:
    values = {"classes": [{"name": "a", "ids": [3]}, "b"], "ignored_ids": [0], "ground": ["a"]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    assert read_classes(path) == stated(**values) == stated(classes=str(path))
    path.write_text("- a\n- b\n")
    assert read_classes(path).space.classes == ("a", "b")
    assert stated(classes=str(path), ground=["b"]).space.ground_ids == [1]


def test_what_a_record_keeps_is_read_back() -> None:
    classes = stated(
        classes=[{"name": "a", "ids": [3, 4]}, {"name": "b", "colour": [9, 9, 9], "ids": [1]}],
        ignored_ids=[0], ground=["a"], sky=[],
    )  # fmt: skip
    again = read_plain(classes.plain(), "record")
    assert again == classes
    assert again.space.colours == classes.space.colours
    assert (again.space.ground_ids, again.space.sky_ids) == ([0], [])
    assert read_plain(Classes(CAMVID11).plain(), "record").space == CAMVID11


def test_ground_and_sky_come_by_name_or_as_stated() -> None:
    assert stated(classes=["a", "road", "sky"]).space.ground_ids == [1]
    assert stated(classes=["a", "road", "sky"]).space.sky_ids == [2]
    own = stated(classes=["a", "road", "sky"], ground=["a"], sky=[])
    assert (own.space.ground_ids, own.space.sky_ids) == ([0], [])


def test_the_palette_is_fixed_and_well_spread() -> None:
    assert palette(3) == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]
    every = np.array(palette(255), int)
    assert len({tuple(colour) for colour in every.tolist()}) == 255
    first = every[:20]
    apart = np.abs(first[:, None] - first[None]).max(-1) + 999 * np.eye(20)
    assert apart.min() >= 64
    assert palette(2, taken=[(128, 0, 0)]) == [(0, 128, 0), (128, 128, 0)]


def test_colours_of_old_records() -> None:
    assert colours_of("camvid11", CAMVID11.classes) == CAMVID11.colours
    assert colours_of("camvid11", ("road", "mud"))[0] == (128, 64, 128)
    assert len(set(colours_of("own", ("a", "b", "c")))) == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": []}, "classes: expected 1 to 255 classes, got 0"),
        (
            {"classes": ["a", "a"]},
            "classes: expected a different name for every class, got a more than once",
        ),
        (
            {"classes": ["a", {"name": "b", "ids": [0]}]},
            "classes: expected every id in one class, got 0 in more than one",
        ),
        (
            {"classes": [{"name": "a", "ids": [255]}]},
            "classes: expected ids of classes, got 255, which means that there is no class",
        ),
        ({"classes": [{"name": "a", "ids": [256]}]}, "less than or equal to 255"),
        (
            {"classes": ["a"], "ignored_ids": [0]},
            "expected ids in a class or in ignored_ids, got 0 in both",
        ),
        ({"classes": ["track"], "ground": ["trak"]}, "did you mean 'track'"),
        ({"ground": ["road"]}, r"expected classes beside ground, got none.*set classes, too"),
        (
            {"classes": "citys"},
            "expected a list of classes or one of camvid11, cityscapes19, "
            "synthia16, shift14, idd26, idd_lite7, got 'citys'",
        ),
        (
            {"classes": [{"name": "a", "color": [0, 0, 0]}]},
            "expected a known key, got "
            r"'classes\.0\.color'.*did you",
        ),
        (
            {"classes": ["a"], "ignore": [3]},
            r"expected a known key, got 'ignore'.*did you mean "
            "'ignored_ids",
        ),
        ({}, "expected a list of classes under the key classes, got none"),
    ],
)
def test_mistakes_in_a_file(values: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=message) as caught:
        read_classes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [",
            "expected YAML, got while parsing a flow node expected the node content, but "
            r'found .<stream end>. in "<unicode',
        ),
        ("3", "expected a list of classes, got 3"),
        (None, "expected a file of classes, got a path where there is none"),
    ],
)
def test_odd_files(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_classes(path)


def test_no_such_preset() -> None:
    with pytest.raises(
        InputError,
        match=r"^x: expected a known label space or a file of "
        r"classes, got 'camvid12'.*did you mean",
    ):
        named_classes("camvid12", "x")


TABLE = {
    "road": "track", "pavement": "track", "tree": "grass", "building": "obstacle",
    "pole": "obstacle", "sign": "obstacle", "fence": "obstacle", "car": "obstacle",
    "pedestrian": "obstacle", "bicyclist": None,
}  # fmt: skip


class TestMappings:
    def test_a_table(self, tmp_path: Path) -> None:
        mapping = mapping_between(CAMVID11, OURS, TABLE)
        assert mapping is not None
        assert mapping.apply(np.arange(11, dtype=np.uint8)).tolist() == [
            3, 2, 2, 0, 0, 1, 2, 2, 2, 2, 255,
        ]  # fmt: skip
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump(TABLE))
        assert mapping_between(CAMVID11, OURS, str(path)) == mapping
        assert "told in own classes (track, grass, obstacle, sky)" in mapping.describe()

    def test_presets_have_names(self) -> None:
        found = mapping_between(CITYSCAPES19, CAMVID11, "cityscapes19 to camvid11")
        assert found == mapping_between(CITYSCAPES19, CAMVID11, None)
        assert found == MAPPINGS["cityscapes19", "camvid11"]
        assert mapping_between(CAMVID11, OURS, None) is None

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (
                {"rod": "track"},
                r"^mapping: expected classes of camvid11, got rod.*road, pavement, tree, sign, "
                "fence, car, pedestrian,",
            ),
            (
                {"road": "trac"},
                r"^mapping: expected classes of own, got trac.*track, grass, "
                r"obstacle, sky \(did you mean",
            ),
            (
                {"road": "track"},
                "expected every class of camvid11, got a mapping without building, pole, "
                r"pavement, tree, sign, fence, car,.*give each",
            ),
            (
                "nowhere.yaml",
                r"^nowhere\.yaml: expected a file of a mapping, got a path where "
                r"there is none.*city",
            ),
        ],
    )
    def test_mistakes(self, table: dict | str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            mapping_between(CAMVID11, OURS, table)
