"""Authors' layouts: every one recognised, listed and read back from a small tree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from driftseg.errors import InputError, UnreadableError
from driftseg.labels import CAMVID11, CITYSCAPES19
from driftseg.scenes.datasets import layouts, recognise
from driftseg.scenes.layout import Layout, scenes
from layout_trees import TREES, Tree, photo, save, save_palette, stripes

BY_NAME = {layout.name: layout for layout in layouts()}


@pytest.fixture(params=TREES, ids=str)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return TREES[request.param](tmp_path)


@pytest.fixture
def layout(tree: Tree) -> Layout:
    return BY_NAME[tree.kind]


class TestEveryLayout:
    def test_has_a_tree(self) -> None:
        assert set(TREES) == set(BY_NAME)
        assert len(BY_NAME) == len(layouts())

    def test_is_recognised(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        assert recognise(tmp_path) is layout
        assert {one.name for one in layouts() if one.found(tmp_path)} == {tree.kind} | tree.also

    def test_lists_splits_and_domains(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        pairs = layout.pairs(tmp_path)
        assert {pair.split for pair in pairs} == tree.splits
        assert {pair.domain for pair in pairs} == tree.domains
        assert [(p.split, p.name) for p in pairs] == sorted((p.split, p.name) for p in pairs)
        assert all(pair.image is not None and pair.image.is_file() for pair in pairs)
        assert all(pair.missing is None for pair in pairs)
        inside = [pair.name for pair in pairs if pair.split == tree.split]
        assert len(set(inside)) == len(inside)

    def test_reads_ids_back(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        found = scenes(layout, tmp_path, split=tree.split)
        assert found.label_space is layout.label_space
        for index in range(len(found)):
            scene = found.scene(index)
            assert scene.image.shape == (64, 96, 3)
            if tree.kind == "idd":  # borders of drawn polygons are a pixel's matter
                assert (scene.label == stripes(tree.told)).mean() > 0.9
                assert set(np.unique(scene.label)) == set(tree.told)
            else:
                assert np.array_equal(scene.label, stripes(tree.told))

    def test_leaves_the_files_alone(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        def contents() -> dict[Path, str]:
            return {
                path: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in tmp_path.rglob("*") if path.is_file()
            }  # fmt: skip

        before = contents()
        scenes(layout, tmp_path, split=tree.split, size=(48, 32)).scene(0)
        assert contents() == before

    def test_an_unlabelled_split(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        if tree.unlabelled is None:
            pytest.skip("this layout labels everything")
        assert scenes(layout, tmp_path, split=tree.unlabelled).scene(0).label is None

    def test_a_missing_label(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        tree.labels[0].unlink()
        gone = {pair.missing for pair in layout.pairs(tmp_path)} - {None}
        assert gone == {tree.labels[0]} or tree.kind == "foggy_cityscapes"
        with pytest.raises(
            InputError,
            match=r"labels are missing\)\. To fix: complete the "
            "labels, or leave the images out with e",
        ):
            scenes(layout, tmp_path, split=tree.split)

    def test_a_missing_image(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        """Its label is listed, not refused, and the scene left out."""
        before = scenes(layout, tmp_path, split=tree.split)
        victim = next(p for p in layout.pairs(tmp_path) if p.label == tree.labels[0])
        assert victim.image is not None
        victim.image.unlink()
        orphans = [p.label for p in layout.pairs(tmp_path) if p.image is None]
        told_once = tree.kind in ("weather_cityscapes", "foggy_cityscapes")
        assert orphans == ([] if told_once and victim.domain != "clear" else [tree.labels[0]])
        if len(before) > 1:
            assert len(scenes(layout, tmp_path, split=tree.split)) == len(before) - 1

    def test_a_split_that_is_not_there(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"\. To fix: set split to") as caught:
            scenes(layout, tmp_path, split="tset")
        assert all(split in str(caught.value).split("got ")[1] for split in tree.splits)

    def test_a_domain_that_is_not_there(self, layout: Layout, tmp_path: Path, tree: Tree) -> None:
        with pytest.raises(InputError, match=r"expected the domain 'hail', got \w+.*\. To fix: "):
            scenes(layout, tmp_path, split=tree.split, domain="hail")

    def test_an_empty_folder(self, layout: Layout, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert recognise(tmp_path / "empty") is None
        with pytest.raises(InputError, match=r"empty: expected .*, got none\. To fix: name the"):
            scenes(layout, tmp_path / "empty")
        message = r"nowhere: expected .*, got a path where there is none\. To fix: .* --data FOLDER"
        with pytest.raises(InputError, match=message):
            scenes(layout, tmp_path / "nowhere")
        assert layout.found(tmp_path / "nowhere") is False

    def test_a_truncated_label(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        whole = tree.labels[0].read_bytes()
        tree.labels[0].write_bytes(whole[: len(whole) // 2])
        found = scenes(layout, tmp_path, split=tree.split)
        at = next(i for i, entry in enumerate(found.entries) if entry.label == tree.labels[0])
        with pytest.raises(UnreadableError, match=f"{tree.labels[0].name}: expected "):
            found.scene(at)

    def test_an_unknown_id(self, tree: Tree, layout: Layout, tmp_path: Path) -> None:
        if tree.labels[0].suffix == ".json":
            tree.labels[0].write_text(tree.labels[0].read_text().replace("building", "castle"))
        else:
            save(tree.labels[0], stripes((99, 99)))
        found = scenes(layout, tmp_path, split=tree.split)
        at = next(i for i, entry in enumerate(found.entries) if entry.label == tree.labels[0])
        with pytest.raises(InputError, match=r"got (id )?99|expected a label of IDD, got 'castle'"):
            found.scene(at)


class TestCityscapes:
    def test_label_ids_are_read_first(self, tmp_path: Path) -> None:
        tree = TREES["cityscapes"](tmp_path)
        trained = tree.labels[0].name.replace("labelIds", "labelTrainIds")
        save(tree.labels[0].with_name(trained), stripes((1, 1)))
        first = BY_NAME["cityscapes"].pairs(tmp_path)
        assert tree.labels[0] in [pair.label for pair in first]

    def test_training_ids_alone_will_do(self, tmp_path: Path) -> None:
        tree = TREES["cityscapes"](tmp_path)
        for label in tree.labels:
            label.unlink()
            trained = label.name.replace("labelIds", "labelTrainIds")
            save(label.with_name(trained), stripes(tree.told))
        read = scenes(BY_NAME["cityscapes"], tmp_path, split="train").scene(1)
        assert np.array_equal(read.label, stripes(tree.told))

    def test_depth_and_camera_are_listed(self, tmp_path: Path) -> None:
        TREES["cityscapes"](tmp_path)
        entry = scenes(BY_NAME["cityscapes"], tmp_path, split="val").entries[0]
        assert entry.depth.name == "lindau_000000_000019_disparity.png"
        assert entry.camera.name == "lindau_000000_000019_camera.json"
        untold = scenes(BY_NAME["cityscapes"], tmp_path, split="test").entries[0]
        assert (untold.depth, untold.camera) == (None, None)

    def test_without_labels_it_is_unlabelled(self, tmp_path: Path) -> None:
        tree = TREES["cityscapes"](tmp_path)
        for split in ("train", "val"):
            (tmp_path / "gtFine" / split).rename(tmp_path / f"{split}_elsewhere")
        assert scenes(BY_NAME["cityscapes"], tmp_path, split=tree.split).scene(0).label is None

    def test_sixteen_bit_labels_are_refused(self, tmp_path: Path) -> None:
        tree = TREES["cityscapes"](tmp_path)
        save(tree.labels[0], stripes((7, 8)).astype(np.uint16))
        with pytest.raises(
            InputError,
            match="expected a label map with one id a pixel "
            r"\(8-bit grey or palette PNG\), got 16 "
            r"bits.*store ids",
        ):
            scenes(BY_NAME["cityscapes"], tmp_path, split="train").scene(0)


class TestDomains:
    def test_a_domain_or_the_part_before_a_slash(self, tmp_path: Path) -> None:
        TREES["weather_cityscapes"](tmp_path)
        layout = BY_NAME["weather_cityscapes"]

        def names(domain: str | None) -> list[str]:
            found = scenes(layout, tmp_path, split="train", domain=domain)
            return [found.name(i) for i in range(len(found))]

        scene = "aachen_000000_000019"
        assert names("rain/25mm") == [f"rain/25mm/{scene}"]
        assert names("rain") == [f"rain/100mm/{scene}", f"rain/25mm/{scene}"]
        assert names("clear") == [f"clear/{scene}", "clear/bremen_000000_000019"]
        assert len(names(None)) == 5

    def test_weather_has_its_scenes_depth(self, tmp_path: Path) -> None:
        TREES["weather_cityscapes"](tmp_path)
        found = scenes(BY_NAME["weather_cityscapes"], tmp_path, split="train", domain="fog")
        assert found.entries[0].depth.name == "aachen_000000_000019_disparity.png"

    def test_reference_images_have_names_of_their_own(self, tmp_path: Path) -> None:
        TREES["acdc"](tmp_path)
        found = scenes(BY_NAME["acdc"], tmp_path, split="train_ref", domain="night")
        assert [found.name(i) for i in range(len(found))] == ["night/GOPR001_frame_000041_ref"]

    def test_labelled_reference_images(self, tmp_path: Path) -> None:
        TREES["acdc"](tmp_path)
        label = tmp_path / "gt/fog/train_ref/GOPR000/GOPR000_frame_000041_gt_ref_labelIds.png"
        save(label, stripes((7, 8)))
        read = scenes(BY_NAME["acdc"], tmp_path, split="train_ref", domain="fog").scene(0)
        assert np.array_equal(read.label, stripes((0, 1)))
        label.unlink()
        missing = [pair.missing for pair in BY_NAME["acdc"].pairs(tmp_path) if pair.missing]
        assert missing == [label]

    def test_shift_tells_weather_and_time(self, tmp_path: Path) -> None:
        TREES["shift"](tmp_path)
        found = scenes(BY_NAME["shift"], tmp_path, split=None, domain="discrete/rainy")
        assert found.name(0) == "discrete/images/007b-4e72/00000000_front"
        assert found.entries[0].depth.name == "00000000_depth_front.png"
        assert len(found) == 2
        assert len(scenes(BY_NAME["shift"], tmp_path, split="val", domain="continuous")) == 2


class TestOddLabels:
    def test_gta5_label_of_another_size(self, tmp_path: Path) -> None:
        tree = TREES["gta5"](tmp_path)
        save_palette(tree.labels[1], stripes((7, 8), 62, 96))
        found = scenes(BY_NAME["gta5"], tmp_path, split="all", size=(48, 32))
        assert found.scene(0).label is not None
        with pytest.raises(
            InputError,
            match="expected a label of its image's size 96x64, got "
            r"96x62.*with exclude",
        ):
            found.scene(1)

    def test_gta5_colours_are_refused(self, tmp_path: Path) -> None:
        tree = TREES["gta5"](tmp_path)
        save(tree.labels[0], photo(1))
        with pytest.raises(
            InputError,
            match="expected a label map with one id a pixel "
            r"\(8-bit grey or palette PNG\), got mode RGB",
        ):
            scenes(BY_NAME["gta5"], tmp_path, split="all").scene(0)

    def test_synthia_instances_in_the_first_channel(self, tmp_path: Path) -> None:
        tree = TREES["synthia"](tmp_path)
        import cv2

        wide = np.full((64, 96, 3), 4000, np.uint16)
        assert cv2.imwrite(str(tree.labels[0]), wide)
        with pytest.raises(
            InputError, match="expected class ids of 0 to 255 in the first channel, got 4000"
        ):
            scenes(BY_NAME["synthia"], tmp_path, split="all").scene(0)

    def test_idd_polygons_of_another_form(self, tmp_path: Path) -> None:
        tree = TREES["idd"](tmp_path)
        tree.labels[0].write_text('{"imgHeight": 64, "objects": []}')
        with pytest.raises(
            UnreadableError,
            match="expected readable polygons, got an error "
            r"\(KeyError: 'imgWidth'\)",
        ):
            scenes(BY_NAME["idd"], tmp_path, split="train").scene(0)


class TestOtherSpaces:
    def test_cityscapes_in_eleven_classes(self, tmp_path: Path) -> None:
        TREES["cityscapes"](tmp_path)
        found = scenes(BY_NAME["cityscapes"], tmp_path, split="train", label_space=CAMVID11)
        assert found.label_space is CAMVID11
        assert np.array_equal(found.scene(0).label, stripes((3, 1, 8, 255, 10)))

    def test_the_own_space_changes_nothing(self, tmp_path: Path) -> None:
        tree = TREES["bdd100k"](tmp_path)
        found = scenes(BY_NAME["bdd100k"], tmp_path, split="val", label_space=CITYSCAPES19)
        assert np.array_equal(found.scene(0).label, stripes(tree.told))

    def test_no_way_from_coarse_to_fine(self, tmp_path: Path) -> None:
        TREES["idd_lite"](tmp_path)
        with pytest.raises(
            InputError,
            match="label_space: expected a label space that "
            "idd_lite7 can be mapped to, got cityscapes19",
        ):
            scenes(BY_NAME["idd_lite"], tmp_path, split="val", label_space=CITYSCAPES19)


def test_two_files_of_one_scene_are_told_apart(tmp_path: Path) -> None:
    TREES["camvid"](tmp_path)
    image = sorted((tmp_path / "val").glob("*.png"))[0]
    save(image.with_suffix(".jpg"), photo(1))
    with pytest.raises(InputError, match=rf"{image.name}: is the same scene as .*\.jpg"):
        scenes(BY_NAME["camvid"], tmp_path, split="val")
