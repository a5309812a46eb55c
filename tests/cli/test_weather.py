"""driftseg weather as a user meets it: real processes where one is killed or a disk is full."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import layout_trees
from driftseg.cli.several_values import expand
from driftseg.cli.texts import parse_size
from driftseg.cli.weather import parse_camera
from driftseg.errors import InputError
from driftseg.town.town import Town
from weather_command import ENVIRONMENT, pictures, weather


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain folder of ten images."""
    root = tmp_path_factory.mktemp("data") / "street"
    root.mkdir()
    town = Town(seed=3, size=(160, 120))
    for i in range(10):
        Image.fromarray(town.render(20 * i).image).save(root / f"frame{i}.png")
    return root


def digests(out: Path) -> dict[str, dict[str, str]]:
    images = json.loads((out / "weather.json").read_text())["images"]
    return {
        source: {domain: made["digest"] for domain, made in image["made"].items()}
        for source, image in images.items()
    }


@pytest.fixture(scope="module")
def made(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "one"
    done = weather(street, "--rain", 25, 100, "--fog", 375, "--out", out, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "30 images made, 0 exist already" in done.stdout
    assert "left" in done.stdout
    return out


def test_several_values_after_one_option() -> None:
    assert expand(["in", "--rain", "25", "50.5", "--out", "x"]) == [
        "in", "--rain", "25", "--rain", "50.5", "--out", "x"
    ]  # fmt: skip
    assert expand(["--rain=25", "50", "--rain", "1e2"]) == [
        "--rain", "25", "--rain", "50", "--rain", "1e2"
    ]  # fmt: skip
    assert expand(["--night", "--snow", "0.5", "2", "--seed", "3"]) == [
        "--night", "1", "--snow", "0.5", "--snow", "2", "--seed", "3"
    ]  # fmt: skip
    assert expand(["--night", "photos"]) == ["--night", "1", "photos"]
    assert expand(["--rain", "--fog", "75"]) == ["--rain", "--fog", "75"]


@pytest.mark.parametrize("text", ["480", "480x", "x360", "480*360", "0x360", "-4x3", "4x3x2"])
def test_sizes(text: str) -> None:
    assert parse_size("480x360") == (480, 360)
    with pytest.raises(InputError, match="--size: expected WIDTHxHEIGHT in pixels, got '"):
        parse_size(text)


def test_a_camera_with_values_of_its_own() -> None:
    assert parse_camera(None, []) is None
    assert parse_camera("camvid", []) == "camvid"
    assert parse_camera(None, ["exposure=12", "speed=0"]) == {"exposure": 12, "speed": 0}
    assert parse_camera("camvid", ["speed=1"]) == {"preset": "camvid", "speed": 1}
    with pytest.raises(
        InputError,
        match="--camera-set: expected NAME=NUMBER, got "
        r"'exposure'.*12",
    ):
        parse_camera(None, ["exposure"])


def test_same_seed_same_pixels_whatever_the_number_of_workers(
    street: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    done = weather(street, "--rain", 25, "--rain", 100, "--fog", 375, "--out", out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert digests(out) == digests(made)
    other = tmp_path / "other"
    done = weather(street, "--rain", 100, "--seed", 1, "--out", other, "--workers", 1)
    assert done.returncode == 0, done.stderr
    image = "rain/100mm/frame3.png"
    assert (other / image).read_bytes() != (made / image).read_bytes()


def test_workers_do_without_torch(street: Path, tmp_path: Path) -> None:
    """Its memory would be most of a worker's."""
    code = (
        "import sys, driftseg.weather_sets.workers, driftseg.scenes.datasets;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _noted(out: Path) -> int:
    """Images in the journal, whose first line is the settings."""
    journal = out / "weather.journal.jsonl"
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def test_a_killed_run_is_gone_on_with(street: Path, made: Path, tmp_path: Path) -> None:
    """SIGKILL of the parent: workers end, no half file is left, a rerun makes the rest."""
    out = tmp_path / "set"
    arguments = [str(street), "--rain", "25", "100", "--fog", "375", "--out", str(out)]
    process = psutil.Popen(
        [sys.executable, "-m", "driftseg", "weather", *arguments, "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    while _noted(out) < 2 and process.poll() is None:
        time.sleep(0.002)
    workers = process.children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    found = pictures(out)
    assert not (out / "weather.json").exists()
    for path in found:
        whole = made / path.relative_to(out)
        assert path.read_bytes() == whole.read_bytes()
    done = weather(*arguments, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "30 images made" not in done.stdout
    assert digests(out) == digests(made)
    assert not [path for path in out.rglob("*") if path.name.endswith(".partial")]


def test_preview_is_one_page_with_the_physics(made: Path) -> None:
    page = (made / "preview.html").read_text(encoding="utf-8")
    for word in ("rain 25 mm/h", "rain 100 mm/h", "fog 375 m", "6.83 / km", "0.505", "as it is"):
        assert word in page
    assert page.count("data:image/jpeg;base64,") == 12
    assert "http" not in page.replace("http://www.w3.org", "")


def test_unreadable_images_end_with_1(street: Path, tmp_path: Path) -> None:
    root = tmp_path / "street"
    root.mkdir()
    for path in sorted(street.iterdir())[:3]:
        (root / path.name).write_bytes(path.read_bytes())
    whole = (root / "frame1.png").read_bytes()
    (root / "frame1.png").write_bytes(whole[:500])
    done = weather(root, "--rain", 25, "--out", tmp_path / "set", "--workers", 1)
    assert done.returncode == 1
    assert "1 images could not be used; the others are made" in done.stdout
    assert "frame1.png: expected an image that can be decoded, got an error" in done.stdout
    assert len(pictures(tmp_path / "set")) == 2
    assert "frame1.png" in (tmp_path / "set" / "preview.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_header_is_an_unreadable_image(
    street: Path, tmp_path: Path, workers: int
) -> None:
    """It says 60000x60000, more than Pillow decodes."""
    root = tmp_path / "street"
    root.mkdir()
    (root / "frame0.png").write_bytes((street / "frame0.png").read_bytes())
    Image.open(street / "frame1.png").save(root / "frame1.jpg")
    data = bytearray((root / "frame1.jpg").read_bytes())
    size = data.index(b"\xff\xc0") + 5
    data[size : size + 4] = 2 * (60_000).to_bytes(2)
    (root / "frame1.jpg").write_bytes(data)
    done = weather(root, "--fog", 75, "--out", tmp_path / "set", "--workers", workers)
    assert done.returncode == 1, done.stderr
    assert "To fix: mend, shrink or remove the file" in done.stdout
    assert "frame1.jpg: expected" in done.stdout
    assert [path.name for path in pictures(tmp_path / "set")] == ["frame0.png"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(street: Path, made: Path, tmp_path: Path, workers: int) -> None:
    """No file may become larger than 20 kB, as where a disk is full."""
    out = tmp_path / "set"
    done = weather(
        street, "--rain", 100, "--out", out, "--workers", workers,
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a file that can be written, got an error (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not [path for path in out.rglob("*") if path.name.endswith(".partial")]
    for path in pictures(out):
        assert path.read_bytes() == (made / path.relative_to(out)).read_bytes()


def test_depth_of_frames_of_one_name(tmp_path: Path) -> None:
    """In every drive of IDD: depth of one is not another's, and that of all can be given."""
    root, depths, out = tmp_path / "idd", tmp_path / "depths", tmp_path / "set"
    layout_trees.idd(root)
    arguments = [root, "--fog", 75, "--depth-files", depths, "--out", out, "--workers", 1]
    for metres, drive in ((5, "0"), (10, "12"), (15, "3")):
        levels = np.full((layout_trees.HEIGHT, layout_trees.WIDTH), 256 * metres, np.uint16)
        layout_trees.save(depths / drive / "frame0029_leftImg8bit.png", levels)
        done = weather(*arguments)
        if drive != "3":
            assert done.returncode == 2
            assert "expected one depth file for" in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
    assert done.returncode == 0, done.stderr
    assert "depth of 3: depth pictures" in done.stdout
    images = json.loads((out / "weather.json").read_text())["images"]
    read = {source: image["read"][-1]["file"] for source, image in images.items()}
    assert read == {
        f"leftImg8bit/{place}/frame0029_leftImg8bit.png":
            f"../depths/{place.split('/')[1]}/frame0029_leftImg8bit.png"
        for place in ("train/0", "train/12", "val/3")
    }  # fmt: skip


def test_cityscapes_in_weather_without_its_clear_images(tmp_path: Path) -> None:
    """Such as a set of driftseg's own: there would be rain on rain."""
    root = tmp_path / "rainy"
    layout_trees.weather_cityscapes(root)
    for split in ("train", "val", "test"):
        for city in ("aachen", "bremen", "lindau", "berlin"):
            for image in (root / "leftImg8bit" / split / city).glob("*.png"):
                image.unlink()
    done = weather(root, "--rain", 25, "--out", tmp_path / "set", "--workers", 1)
    assert done.returncode == 2
    assert "expected clear images (leftImg8bit/" in done.stderr
    assert "got images of Cityscapes in weather alone" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone", "--rain", "5", "--out", "OUT"], "gone: expected a folder of images, got a path"),
        (["EMPTY", "--rain", "5", "--out", "OUT"], "empty: expected images, got none"),
        (["STREET", "--out", "OUT"], "expected some weather, got none. To fix: name rain"),
        (["STREET", "--rain", "5", "--out", "STREET/set"], "files are never changed, got one in"),
        (["STREET", "--rain", "5", "--out", "/proc/set"], "/proc/set: expected a folder that"),
        (["STREET", "--rain", "5", "--out", "OUT", "--split", "val"], "layout with splits"),
        (["STREET", "--rain", "5", "--out", "OUT", "--size", "9"], "error: --size: expected "
"WIDTHxHEIGHT in pixels, got '9'"),
        (["STREET", "--rain", "5", "--out", "OUT", "--size", "999x999"], "of the run, got 160x120"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth", "disparity"], "expected disparity"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth-files", "EMPTY"], "PNGs of depth"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth-files", "EMPTY", "--depth",
          "disparity"], "error: expected one source of depth, got several of --depth, "
          "--depth-files and --depth-network"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth-files", "EMPTY", "--depth-scale", "0"],
         "error: depth: scale: expected a number greater than 0, got 0.0"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth-scale", "9"],
         "error: --depth-scale: expected --depth-files beside it, got none"),
        (["STREET", "--rain", "5", "--out", "OUT", "--depth-output", "metric"],
         "error: --depth-output: expected --depth-network beside it, got none"),
        (["STREET", "--rain", "5", "--out", "OUT", "--label-space", "idd26"],
         "error: label_space: expected a folder of labels beside it, got none"),
        (["STREET", "--rain", "5", "--out", "OUT", "--labels", "gone"], "expected a folder of "
                                                                        "labels, got a path where"),
        (["STREET", "--rain", "5", "--out", "OUT", "--labels", "EMPTY", "--label-space", "moon"],
         "expected a known label space, got"),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_line_and_code_2(
    arguments, message: str, street: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"STREET": str(street), "OUT": str(tmp_path / "set"), "EMPTY": str(tmp_path / "empty")}
    for word, place in places.items():
        arguments = [argument.replace(word, place) for argument in arguments]
    done = weather(*arguments, "--workers", 1)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not pictures(tmp_path / "set") if (tmp_path / "set").exists() else True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rain"], "requires an argument"),
        (["--rain", "much"], "Invalid value for '--rain'"),
        (["--rain", "5", "--wet-road", "2"], "Invalid value for '--wet-road'"),
        (["--rain", "5", "--format", "gif"], "Invalid value for '--format'"),
    ],
)
def test_options_that_do_not_parse(arguments, message: str, street: Path, tmp_path: Path) -> None:
    done = weather(street, "--out", tmp_path / "set", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "set").exists()


def test_images_at_the_size_of_a_stream(street: Path, tmp_path: Path) -> None:
    done = weather(
        street, "--rain", 50, "--size", "80x60", "--limit", 2, "--out", tmp_path / "set",
        "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [np.asarray(Image.open(path)).shape for path in pictures(tmp_path / "set")]
    assert shown == [(60, 80, 3)] * 2
