"""IDD's published polygons: objects without points, and files as other programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from driftseg.api.data import check_data, make_weather_set
from driftseg.errors import MisfitError, UnreadableError
from driftseg.scenes.idd import IddSettings, draw_polygons, pointless
from layout_trees import idd

SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]


def write(path: Path, objects: list[dict], bom: bool = False) -> Path:
    text = json.dumps({"imgWidth": 96, "imgHeight": 64, "objects": objects})
    path.write_text(text, encoding="utf-8-sig" if bom else "utf-8")
    return path


@pytest.mark.parametrize("empty", [[], [[3, 4]], None])
def test_an_object_without_points(empty: list | None, tmp_path: Path) -> None:
    road = {"label": "road", "polygon": SQUARE}
    wanted = draw_polygons(write(tmp_path / "a.json", [road]))
    assert set(np.unique(wanted)) == {0, 255}
    path = write(tmp_path / "b.json", [{"label": "car", "polygon": empty}, road])
    assert np.array_equal(draw_polygons(path), wanted)
    assert pointless(path) == f"{path}: 1 of 2 objects have fewer than two points (car)"
    assert pointless(tmp_path / "a.json") == ""


def test_a_deleted_object_is_not_counted(tmp_path: Path) -> None:
    gone = {"label": "car", "polygon": [], "deleted": 1}
    assert pointless(write(tmp_path / "a.json", [gone])) == ""


def test_a_mark_of_byte_order(tmp_path: Path) -> None:
    road = {"label": "road", "polygon": SQUARE}
    plain = draw_polygons(write(tmp_path / "a.json", [road]))
    assert np.array_equal(draw_polygons(write(tmp_path / "b.json", [road], bom=True)), plain)


def test_what_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(MisfitError, match="expected a label of IDD, got 'castle'"):
        draw_polygons(write(tmp_path / "a.json", [{"label": "castle", "polygon": []}]))
    with pytest.raises(
        UnreadableError,
        match="expected readable polygons, got an error "
        r"\(ValueError: incorrect coordinate type\)",
    ):
        draw_polygons(write(tmp_path / "a.json", [{"label": "road", "polygon": [[1], [2]]}]))
    with pytest.raises(UnreadableError, match="KeyError: 'polygon'"):
        draw_polygons(write(tmp_path / "a.json", [{"label": "road"}]))


def test_data_check_counts_them_and_all_else_goes_on(tmp_path: Path) -> None:
    tree = idd(tmp_path / "idd")
    drawing = json.loads(tree.labels[0].read_text())
    drawing["objects"] += [{"label": "car", "polygon": []}, {"label": "sky", "polygon": [[1, 1]]}]
    tree.labels[0].write_text(json.dumps(drawing))
    (told,) = (f for f in check_data(tmp_path / "idd").findings if f.kind == "empty_objects")
    assert told.severity == "note"
    assert told.examples[0].endswith("2 of 7 objects have fewer than two points (car, sky)")
    assert IddSettings(root=tmp_path / "idd").make().scene(0).label is not None
    made = make_weather_set(tmp_path / "idd", tmp_path / "set", fog=75, size=(48, 32))
    assert made.unreadable == {}
