"""Label spaces told in each other, and ids of files told in label spaces."""

from __future__ import annotations

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.images.reading import translate
from driftseg.labels import (
    CAMVID11,
    CITYSCAPES19,
    GROUND,
    IDD26,
    IDD_LITE7,
    IGNORE,
    LABEL_SPACES,
    MAPPINGS,
    LabelMapping,
    LabelSpace,
    find_mapping,
)
from driftseg.labels.tables import (
    CITYSCAPES_IDS,
    CITYSCAPES_TRAIN_IDS,
    GTA5_IDS,
    IDD_IDS,
    IDD_LITE_IDS,
    IDD_NAMES,
    SHIFT_IDS,
    SYNTHIA_IDS,
)


def told(mapping: LabelMapping, *names: str) -> list[str | None]:
    ids = np.array([mapping.source.classes.index(name) for name in names], np.uint8)
    return [None if i == IGNORE else mapping.target.classes[i] for i in mapping.apply(ids).tolist()]


class TestMappings:
    @pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=lambda m: m.describe()[:30])
    def test_every_class_is_told(self, mapping: LabelMapping) -> None:
        ids = np.append(np.arange(len(mapping.source)), IGNORE).astype(np.uint8)
        result = mapping.apply(ids)
        assert result[-1] == IGNORE
        assert set(result.tolist()) <= {*range(len(mapping.target)), IGNORE}
        assert told(mapping, *mapping.source.classes) == list(mapping.table.values())
        assert (result[:-1] == IGNORE).sum() == len(mapping.lost)
        for name in (*mapping.lost, *mapping.never):
            assert name in mapping.describe()

    def test_the_ways_there_are(self) -> None:
        assert set(MAPPINGS) == {
            ("cityscapes19", "camvid11"), ("camvid11", "cityscapes19"),
            ("cityscapes19", "idd_lite7"), ("camvid11", "idd_lite7"), ("idd26", "idd_lite7"),
            ("idd26", "cityscapes19"), ("shift14", "cityscapes19"), ("cityscapes19", "shift14"),
            ("shift14", "camvid11"), ("synthia16", "cityscapes19"), ("cityscapes19", "synthia16"),
        }  # fmt: skip

    def test_cityscapes_in_camvid_loses_nothing(self) -> None:
        mapping = MAPPINGS["cityscapes19", "camvid11"]
        assert mapping.lost == mapping.never == ()
        assert told(mapping, "wall", "rider", "truck", "terrain", "traffic light") == [
            "building", "bicyclist", "car", "tree", "sign",
        ]  # fmt: skip

    def test_a_bicyclist_has_no_counterpart(self) -> None:
        assert MAPPINGS["camvid11", "cityscapes19"].lost == ("bicyclist",)
        assert told(MAPPINGS["camvid11", "cityscapes19"], "bicyclist", "pavement") == [
            None, "sidewalk",
        ]  # fmt: skip

    def test_ways_that_meet_agree(self) -> None:
        """Where IDD's classes are Cityscapes', both ways to IDD Lite are one."""
        through, direct = MAPPINGS["idd26", "cityscapes19"], MAPPINGS["idd26", "idd_lite7"]
        on = MAPPINGS["cityscapes19", "idd_lite7"]
        for name, between in through.table.items():
            if between is not None:
                assert on.table[between] == direct.table[name], name

    def test_a_space_in_itself(self) -> None:
        ids = np.arange(256).astype(np.uint8)
        mapping = find_mapping(IDD26, IDD26)
        assert np.array_equal(mapping.apply(ids)[:26], ids[:26])
        assert mapping.describe() == "idd26 told in idd26"
        assert find_mapping(IDD_LITE7, CITYSCAPES19) is None

    def test_tables_must_be_whole(self) -> None:
        with pytest.raises(
            ValueError,
            match="expected a mapping of every class of idd_lite7 "
            "to classes of camvid11, got another",
        ):
            LabelMapping(IDD_LITE7, CAMVID11, {"sky": "sky"})


class TestSpaces:
    @pytest.mark.parametrize("space", LABEL_SPACES.values(), ids=lambda s: s.name)
    def test_names_and_colours(self, space: LabelSpace) -> None:
        assert len(set(space.classes)) == len(space) == int("".join(
            c for c in space.name if c.isdigit()
        ))  # fmt: skip
        assert space.paint(np.array([[len(space)]], np.uint8)).max() == 0


class TestTables:
    @pytest.mark.parametrize(
        ("table", "classes"),
        [
            (CITYSCAPES_IDS, 19), (CITYSCAPES_TRAIN_IDS, 19), (GTA5_IDS, 19), (SYNTHIA_IDS, 16),
            (SHIFT_IDS, 14), (IDD_IDS, 26), (IDD_LITE_IDS, 7),
        ],
    )  # fmt: skip
    def test_every_class_has_one_id(self, table, classes: int) -> None:
        assert sorted(i for i in table.values() if i != IGNORE) == list(range(classes))
        assert table[IGNORE] == IGNORE

    def test_idd_names_are_classes(self) -> None:
        assert {name for name in IDD_NAMES.values() if name is not None} == set(IDD26.classes)

    def test_an_unknown_id_is_named(self) -> None:
        message = r"x\.png: expected the ids of this dataset \(0\.\.18, 255\), got 19, 200"
        with pytest.raises(InputError, match=message):
            translate(np.array([[3, 19, 200]], np.uint8), CITYSCAPES_TRAIN_IDS, name="x.png")


class TestScoresOfOtherSpaces:
    def test_a_class_that_is_not_there_is_a_miss(self) -> None:
        """Three pixels of class 0: one right, one taken for 1, one for nothing in this space."""
        score = Score(2)
        score.add(
            np.array([[0, 1, 255, 255, 1]], np.uint8), np.array([[0, 0, 0, 255, 1]], np.uint8)
        )
        assert score.intersection.tolist() == [1, 1]
        assert score.union.tolist() == [3, 2]
        assert score.labelled.tolist() == [3, 1]
        assert score.iou().tolist() == [1 / 3, 1 / 2]
        assert score.pixel_accuracy() == 2 / 4
        assert score.mean_accuracy() == (1 / 3 + 1) / 2
        other = Score(2)
        other.load_state_dict(score.state_dict())
        assert other.union.tolist() == [3, 2]

    def test_nothing_but_misses(self) -> None:
        score = Score(2)
        score.add(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8))
        assert (score.mean_iou(), score.union.tolist()) == (0.0, [4, 0])


@pytest.mark.parametrize("space", LABEL_SPACES.values(), ids=lambda space: space.name)
def test_every_space_has_ground_and_what_stands_on_it(space: LabelSpace) -> None:
    """Weather asks labels for the ground by its names, whatever the space."""
    ground = [name for name in space.classes if name in GROUND]
    assert ground
    assert "car" not in ground
    assert len(ground) < len(space) / 2
