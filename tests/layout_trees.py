"""Small trees in every authors' layout, with the encodings that the authors use."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 64, 96


def photo(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stripes(ids: tuple[int, ...], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Upright stripes of equal width, one an id."""
    columns = np.arange(width) * len(ids) // width
    return np.tile(np.array(ids, np.uint8)[columns], (height, 1))


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def save_palette(path: Path, ids: np.ndarray) -> None:
    """Ids as indices of a palette, as GTA5's labels are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    picture.putpalette([value for i in range(256) for value in (i, 255 - i, 7 * i % 256)])
    picture.save(path)


def save_first_of_four(path: Path, ids: np.ndarray) -> None:
    """Ids in red, as SHIFT's labels are."""
    other = np.full_like(ids, 9)
    save(path, np.dstack([ids, other, other, np.full_like(ids, 255)]))


def save_sixteen_bits(path: Path, ids: np.ndarray) -> None:
    """Ids in red of a 16-bit PNG, instances in green, as SYNTHIA's labels are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    red = ids.astype(np.uint16)
    assert cv2.imwrite(str(path), np.dstack([np.zeros_like(red), red + 300, red]))


def save_two_channels(path: Path, ids: np.ndarray, second: int = 777) -> None:
    """A 16-bit PNG of grey and one more channel, which no library here can write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = ids.shape
    wide = np.dstack([ids.astype(np.uint16), np.full(ids.shape, second)]).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    header = struct.pack(">IIBBBBB", width, height, 16, 4, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ))  # fmt: skip


@dataclass
class Tree:
    """What a tree holds, for those who read it back."""

    kind: str
    split: str
    """A split that is labelled whole."""
    labels: list[Path]
    """Label files of that split."""
    told: tuple[int, ...]
    """The stripes of every label, in ids of the layout's label space."""
    splits: set[str]
    domains: set[str] = field(default_factory=lambda: {""})
    unlabelled: str | None = None
    """A split without labels."""
    also: frozenset[str] = frozenset()
    """Other layouts that the folder is rightly taken for, after its own."""


RAW = (7, 11, 26, 0, 33)
"""Road, building, car, nothing and bicycle as Cityscapes' label ids."""
TOLD = (0, 2, 13, 255, 18)


def cityscapes(root: Path) -> Tree:
    labels = []
    for split, city in (("train", "aachen"), ("train", "bremen"), ("val", "lindau")):
        scene = f"{city}_000000_000019"
        save(root / "leftImg8bit" / split / city / f"{scene}_leftImg8bit.png", photo(1))
        label = root / "gtFine" / split / city / f"{scene}_gtFine_labelIds.png"
        save(label, stripes(RAW))
        save(label.with_name(f"{scene}_gtFine_color.png"), photo(2))
        save(label.with_name(f"{scene}_gtFine_instanceIds.png"), stripes(RAW))
        labels += [label] * (split == "train")
        save(root / "disparity" / split / city / f"{scene}_disparity.png", stripes((1, 2)))
        camera = root / "camera" / split / city / f"{scene}_camera.json"
        camera.parent.mkdir(parents=True)
        camera.write_text("{}")
    scene = "berlin_000000_000019_leftImg8bit.png"
    save(root / "leftImg8bit" / "test" / "berlin" / scene, photo(3))
    return Tree("cityscapes", "train", labels, TOLD, {"train", "val", "test"}, {"clear"}, "test")


def weather_cityscapes(root: Path) -> Tree:
    tree = cityscapes(root)
    images = root / "leftImg8bit" / "train"
    for level in ("25mm", "100mm"):
        folder = images / "rain" / level
        save(folder / "rainy_image" / "aachen_000000_000019_leftImg8bit.png", photo(4))
        save(folder / "rain_mask" / "aachen_000000_000019.png", photo(5))
    save(images / "fog" / "75m" / "aachen" / "aachen_000000_000019_leftImg8bit.png", photo(6))
    domains = {"clear", "rain/25mm", "rain/100mm", "fog/75m"}
    return Tree(
        "weather_cityscapes", "train", tree.labels[:1], TOLD, tree.splits, domains, "test",
        frozenset({"cityscapes"}),
    )  # fmt: skip


def foggy_cityscapes(root: Path) -> Tree:
    labels = []
    for split, city in (("train", "aachen"), ("val", "lindau")):
        scene = f"{city}_000000_000019"
        for beta in ("0.01", "0.02"):
            foggy = f"{scene}_leftImg8bit_foggy_beta_{beta}.png"
            save(root / "leftImg8bit_foggy" / split / city / foggy, photo(1))
        label = root / "gtFine" / split / city / f"{scene}_gtFine_labelTrainIds.png"
        save(label, stripes(TOLD))
        labels += [label] * (split == "train")
    return Tree(
        "foggy_cityscapes", "train", labels, TOLD, {"train", "val"}, {"beta_0.01", "beta_0.02"}
    )


def acdc(root: Path) -> Tree:
    labels = []
    for number, condition in enumerate(("fog", "night", "rain", "snow")):
        frame = f"GOPR00{number}_frame_000041"
        place = Path(condition) / "train" / f"GOPR00{number}"
        save(root / "rgb_anon" / place / f"{frame}_rgb_anon.png", photo(number))
        label = root / "gt" / place / f"{frame}_gt_labelIds.png"
        save(label, stripes(RAW))
        save(label.with_name(f"{frame}_gt_invIds.png"), stripes((3, 4)))
        labels.append(label)
        place = Path(condition) / "train_ref" / f"GOPR00{number}"
        save(root / "rgb_anon" / place / f"{frame}_rgb_ref_anon.png", photo(number))
    domains = {"fog", "night", "rain", "snow"}
    return Tree("acdc", "train", labels, TOLD, {"train", "train_ref"}, domains, "train_ref")


def dark_zurich(root: Path) -> Tree:
    for time in ("day", "night", "twilight"):
        frame = f"rgb_anon/train/{time}/GOPR0345/GOPR0345_frame_000002_rgb_anon.png"
        save(root / frame, photo(1))
    save(root / "rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png", photo(2))
    save(root / "rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000321_rgb_ref_anon.png",
         photo(2))  # fmt: skip
    label = root / "gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelIds.png"
    save(label, stripes(RAW))
    return Tree(
        "dark_zurich", "val", [label], TOLD, {"train", "val", "val_ref"},
        {"day", "night", "twilight"}, "train",
    )  # fmt: skip


def shift(root: Path) -> Tree:
    labels = []
    for part in ("discrete/images/train", "discrete/images/val", "continuous/10x/images/val"):
        view = root / part / "front"
        for frame in ("00000000", "00000010"):
            save(view / "img" / "007b-4e72" / f"{frame}_img_front.jpg", photo(1))
            label = view / "semseg" / "007b-4e72" / f"{frame}_semseg_front.png"
            save_first_of_four(label, stripes((7, 1, 10, 0, 22)))
            save(view / "depth" / "007b-4e72" / f"{frame}_depth_front.png", photo(2))
            labels += [label] * part.endswith("train")
    (root / "discrete/images/train/front/seq.csv").write_text(
        "video,view,start_weather_coarse,start_timeofday_coarse\n007b-4e72,front,rainy,night\n"
    )
    domains = {"discrete/rainy/night", "discrete", "continuous/10x"}
    return Tree("shift", "train", labels, (5, 0, 8, 255, 13), {"train", "val"}, domains)


def idd(root: Path) -> Tree:
    """One label as published, one as the authors' script draws it."""
    labels = []
    things = ("road", "building", "cargroup", "unlabeled", "animal")
    for split, drive in (("train", "0"), ("train", "12"), ("val", "3")):
        save(root / "leftImg8bit" / split / drive / "frame0029_leftImg8bit.png", photo(1))
        labels.append(root / "gtFine" / split / drive / "frame0029_gtFine_polygons.json")
        edges = [round(i * WIDTH / len(things) + 0.4) for i in range(len(things) + 1)]
        drawing = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": [
            {"label": "tunnel", "deleted": 1, "polygon": [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT]]},
            *({"label": thing, "polygon": [[left, 0], [right - 1, 0], [right - 1, HEIGHT],
                                           [left, HEIGHT]]}
              for thing, left, right in zip(things, edges, edges[1:], strict=False)),
        ]}  # fmt: skip
        labels[-1].parent.mkdir(parents=True)
        labels[-1].write_text(json.dumps(drawing))
    told = (0, 22, 9, 255, 4)
    save(labels[1].with_name("frame0029_gtFine_labellevel3Ids.png"), stripes(told))
    return Tree("idd", "train", labels[:1], told, {"train", "val"})


def idd_lite(root: Path) -> Tree:
    labels = []
    for split, drive in (("train", "87"), ("val", "132")):
        save(root / "leftImg8bit" / split / drive / "475092_image.jpg", photo(1))
        label = root / "gtFine" / split / drive / "475092_label.png"
        save(label, stripes((0, 5, 3, 255, 6)))
        save(label.with_name("475092_inst_label.png"), stripes((1, 2)))
        labels += [label] * (split == "train")
    save(root / "leftImg8bit" / "test" / "4" / "1_image.jpg", photo(2))
    return Tree("idd_lite", "train", labels, (0, 5, 3, 255, 6), {"train", "val", "test"},
                unlabelled="test")  # fmt: skip


def bdd100k(root: Path) -> Tree:
    labels = []
    for split in ("train", "val"):
        save(root / "images" / "10k" / split / f"0a0a0b1a-{split}.jpg", photo(1))
        label = root / "labels" / "sem_seg" / "masks" / split / f"0a0a0b1a-{split}.png"
        save(label, stripes(TOLD))
        labels += [label] * (split == "train")
    save(root / "images" / "10k" / "test" / "ffff.jpg", photo(2))
    return Tree("bdd100k", "train", labels, TOLD, {"train", "val", "test"}, unlabelled="test")


def gta5(root: Path) -> Tree:
    labels = []
    for scene in ("00001", "00002"):
        save(root / "images" / f"{scene}.png", photo(1))
        labels.append(root / "labels" / f"{scene}.png")
        save_palette(labels[-1], stripes((7, 11, 26, 34, 33)))
    return Tree("gta5", "all", labels, TOLD, {"all"})


def synthia(root: Path) -> Tree:
    """Both 16-bit forms."""
    labels = [root / "GT" / "LABELS" / f"000000{i}.png" for i in range(2)]
    for label, write in zip(labels, (save_sixteen_bits, save_two_channels), strict=True):
        save(root / "RGB" / label.name, photo(1))
        write(label, stripes((3, 2, 8, 22, 11)))
        save(root / "Depth" / "Depth" / label.name, stripes((1, 2)))
    return Tree("synthia", "all", labels, (0, 2, 12, 255, 15), {"all"})


def camvid(root: Path) -> Tree:
    labels = []
    for split in ("train", "val"):
        for name in ("0001TP_000", "0006R0_001"):
            save(root / split / f"{name}.png", photo(len(name)))
            label = root / f"{split}annot" / f"{name}.png"
            save(label, stripes((3, 1, 8, 11, 10)))
            labels += [label] * (split == "train")
    return Tree("camvid", "train", labels, (3, 1, 8, 255, 10), {"train", "val"}, {"day", "dusk"})


TREES: dict[str, Callable[[Path], Tree]] = {
    "cityscapes": cityscapes,
    "weather_cityscapes": weather_cityscapes,
    "foggy_cityscapes": foggy_cityscapes,
    "acdc": acdc,
    "dark_zurich": dark_zurich,
    "shift": shift,
    "idd": idd,
    "idd_lite": idd_lite,
    "bdd100k": bdd100k,
    "gta5": gta5,
    "synthia": synthia,
    "camvid": camvid,
}
