"""What a config leaves out is not judged: missing labels, files in doubt, in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from driftseg.api.data import check_data, make_weather_set
from driftseg.cli.main import app
from driftseg.errors import InputError
from driftseg.runs.record import read_run
from driftseg.scenes.datasets import DATASETS
from driftseg.scenes.folder import FolderSettings
from driftseg.scenes.layout import LayoutSettings
from driftseg.weather_sets.reading import WeatherSetSettings
from layout_trees import TREES, Tree, photo, save, stripes


@pytest.fixture(params=TREES, ids=str)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return TREES[request.param](tmp_path)


def settings(tree: Tree, root: Path, **wanted: object) -> LayoutSettings:
    kind = DATASETS.find(tree.kind)
    assert issubclass(kind, LayoutSettings)
    return kind(root=root, split=tree.split, size=None, **wanted)


def names(tree: Tree, root: Path, **wanted: object) -> list[str]:
    found = settings(tree, root, **wanted).make()
    return [found.name(i) for i in range(len(found))]


def one_more(tree: Tree, root: Path) -> list[str]:
    """A second scene beside the first labelled one, so that something is left without it."""
    pair = next(p for p in tree_pairs(tree, root) if p.label == tree.labels[0])
    scene = pair.name.split("/")[-1].removesuffix("_front")
    other = {"gta5": "00009"}.get(tree.kind, f"{scene[:-1]}7")
    for path in (pair.image, pair.label):
        place = path.with_name(path.name.replace(scene, other))
        place.write_bytes(path.read_bytes())
    return [p.name for p in tree_pairs(tree, root) if other in p.name and p.split == tree.split]


def tree_pairs(tree: Tree, root: Path) -> list:
    return settings(tree, root).layout.pairs(root)


class TestEveryLayout:
    def test_labels_that_are_missing_of_what_is_left_out(self, tree: Tree, tmp_path: Path) -> None:
        whole = names(tree, tmp_path)
        more = one_more(tree, tmp_path)
        assert more
        assert set(names(tree, tmp_path)) == {*whole, *more}
        for pair in tree_pairs(tree, tmp_path):
            if pair.name in more and pair.label is not None:
                pair.label.unlink(missing_ok=True)
        with pytest.raises(
            InputError,
            match=r"labels are missing\)\. To fix: complete the "
            "labels, or leave the images out with e",
        ):
            names(tree, tmp_path)
        assert names(tree, tmp_path, exclude=more) == whole
        assert names(tree, tmp_path, include=whole) == whole
        at = [*names_unjudged(tree, tmp_path)].index(more[0])
        if at == len(whole):
            assert names(tree, tmp_path, stop=at) == whole

    def test_two_files_of_a_scene_that_is_left_out(self, tree: Tree, tmp_path: Path) -> None:
        more = one_more(tree, tmp_path)
        label = next(p.label for p in tree_pairs(tree, tmp_path) if p.name == more[0])
        if label.suffix == ".json":
            pytest.skip("polygons have one name")
        twin = label.with_name(f"{label.stem}.PNG")
        twin.write_bytes(label.read_bytes())
        if not any(pair.fault for pair in tree_pairs(tree, tmp_path)):
            pytest.skip("this layout reads one spelling alone")
        with pytest.raises(InputError, match=r"same scene as .*leave the scene out with ex"):
            names(tree, tmp_path)
        assert more[0] not in names(tree, tmp_path, exclude=more)

    def test_orphaned_labels_are_not_missing_ones(self, tree: Tree, tmp_path: Path) -> None:
        more = one_more(tree, tmp_path)
        before = names(tree, tmp_path)
        for pair in tree_pairs(tree, tmp_path):
            if pair.name in more:
                pair.image.unlink()
        assert names(tree, tmp_path) == [name for name in before if name not in more]

    def test_frames_come_in_natural_order(self, tree: Tree, tmp_path: Path) -> None:
        """Scenes 1, 2, 3, 9, 10, 11 and 100 beside each other, with labels of their own."""
        pair = next(p for p in tree_pairs(tree, tmp_path) if p.label == tree.labels[0])
        scene = pair.name.split("/")[-1].removesuffix("_front")
        numbers = (100, 11, 10, 9, 3, 2, 1)
        for number in numbers:
            other = f"{number:05d}" if tree.kind == "gta5" else f"{scene}_{number}"
            for path in (pair.image, pair.label):
                name = path.name.replace(scene, other)
                path.with_name(name).write_bytes(path.read_bytes())
        found = [n.removesuffix("_front") for n in names(tree, tmp_path)]
        tails = {f"{n:05d}" if tree.kind == "gta5" else f"{scene}_{n}": n for n in numbers}
        told = [tails[n.split("/")[-1]] for n in found if n.split("/")[-1] in tails]
        assert told[:7] == sorted(numbers)


def names_unjudged(tree: Tree, root: Path) -> list[str]:
    return [entry.name for entry in settings(tree, root).files().entries]


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A folder of images and labels; the label of 10 is a BMP."""
    for number in (1, 2, 9, 10):
        save(tmp_path / "in" / f"{number}.jpg", photo(number))
        suffix = "bmp" if number == 10 else "png"
        save(tmp_path / "ids" / f"{number}.{suffix}", stripes((0, 1, 2)))
    return tmp_path


class TestFolder:
    def test_a_label_that_is_no_png(self, drive: Path) -> None:
        """It was as if the image had none."""
        with pytest.raises(InputError, match=r"expected a label in a PNG, got \.bmp.*convert"):
            FolderSettings(root=drive / "in", labels=drive / "ids").make()
        found = FolderSettings(root=drive / "in", labels=drive / "ids", exclude=["10"]).make()
        assert [found.name(i) for i in range(len(found))] == ["1", "2", "9"]
        assert np.array_equal(found.scene(2).label, stripes((0, 1, 2)))

    def test_two_labels_of_an_image_that_is_left_out(self, drive: Path) -> None:
        save(drive / "ids" / "9.PNG", stripes((0, 1)))
        with pytest.raises(InputError, match="for the same image, too"):
            FolderSettings(root=drive / "in", labels=drive / "ids", exclude=["10"]).make()
        found = FolderSettings(root=drive / "in", labels=drive / "ids", exclude=["10", "9"]).make()
        assert len(found) == 2


def test_data_check_looks_at_what_is_chosen(tmp_path: Path) -> None:
    tree = TREES["camvid"](tmp_path)
    tree.labels[0].unlink()
    save(tree.labels[1].with_name("x.PNG"), stripes((1,)))
    save(tree.labels[1].with_name("x.png"), stripes((1,)))
    (tmp_path / "train" / "y.heic").write_bytes(b"")
    counts = {one.kind: one.count for one in check_data(tmp_path).findings}
    assert counts["missing_labels"] == counts["files_in_doubt"] == counts["unread_files"] == 1
    left = check_data(tmp_path, exclude=[tree.labels[0].stem, "x"])
    # Scenes of the other split bear the name, too, and are left out with it.
    assert {one.kind for one in left.findings} == {"unread_files", "absent_classes"} - (
        set() if any(c.pixels == 0 for c in left.classes) else {"absent_classes"}
    )
    with pytest.raises(
        InputError,
        match=r"expected scenes for include=\['z'\] exclude=\[\], "
        "got none",
    ):
        check_data(tmp_path, include=["z"])
    done = CliRunner().invoke(app, ["data", "check", str(tmp_path), "--exclude", "x"])
    assert "files_in_doubt" not in done.output
    assert "y.heic" in done.output


def test_weather_on_what_is_chosen(tmp_path: Path) -> None:
    root, out = tmp_path / "bdd", tmp_path / "set"
    tree = TREES["bdd100k"](root)
    more = one_more(tree, root)
    next(p.label for p in tree_pairs(tree, root) if p.name == more[0]).unlink()
    with pytest.raises(
        InputError,
        match=r"expected a label file, got an image without one \(1 "
        r"of 4 labels are missing\)",
    ):
        make_weather_set(root, out, fog=75)
    made = make_weather_set(root, out, fog=75, exclude=more)
    assert (made.made, made.unreadable) == (3, {})
    assert made.unread == ""
    again = WeatherSetSettings(root=out, domain="fog", exclude=[f"*{more[0]}"]).make()
    assert len(again) == 3


def test_a_run_and_a_training_on_what_is_chosen(
    tmp_path: Path, tiny_run: dict, write_config
) -> None:
    root = tmp_path / "camvid"
    tree = TREES["camvid"](root)
    more = one_more(tree, root)
    for label in [p.label for p in tree_pairs(tree, root) if p.name in more and p.label]:
        label.unlink()
    (root / "train" / "late.heic").write_bytes(b"")
    data = {"kind": "camvid", "root": str(root), "split": "train", "size": None, "exclude": more}
    visits = [{"name": "clear"}]
    values = {**tiny_run, "target": data, "evaluation": None, "source": data, "schedule": visits}
    done = CliRunner().invoke(app, ["run", str(write_config(values))])
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "runs").glob("*")
    found = read_run(folder)
    assert [row["name"] for row in found.frames] == ["0001TP_000", "0006R0_001"]
    assert any("1 image files" in n and "late.heic" in n for n in found.environment["notes"])
    values = {
        "out": str(tmp_path / "trained"), "model": {"encoder": "mit_b0", "head_width": 16},
        "data": data, "validation": data, "steps": 2, "early_head_steps": 0, "validate_every": 2,
        "sampling": {"batch_size": 2, "minimum_share": 0.004}, "threads": 1, "warm_up": 1,
    }  # fmt: skip
    with pytest.warns(
        UserWarning, match=r"(data|validation): 1 image files in .* are not read \(\.heic"
    ):
        done = CliRunner().invoke(app, ["train", str(write_config(values, "train.yaml"))])
    assert done.exit_code == 0, done.output
    values["data"] = {**data, "exclude": []}
    values["out"] = str(tmp_path / "other")
    done = CliRunner().invoke(app, ["train", str(write_config(values, "train.yaml"))])
    assert isinstance(done.exception, InputError) or done.exit_code == 2
    assert not (tmp_path / "other").exists()
