"""Images a second in rain, on one core, alone and from file to file, and a worker's memory.

    python benchmarks/weather_speed.py [--size 480 360] [--rain 100] [--rounds 3]

Scenes are Town's, written to a temporary folder first, so no data is needed. CPU time of one
process with one thread, so that a busy machine does not flatter or hurt much; medians of rounds.
Each size is measured in a process of its own, as a worker of `driftseg weather` is.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from driftseg.scenes.camvid import camvid
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN
from driftseg.weather.draws import drops_of
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.painting import Painter, Task, encode
from driftseg.weather_sets.writing import write_whole

SIZES = ((480, 360), (2048, 1024))
SCENES = 3


def write_scenes(root: Path, size: tuple[int, int]) -> None:
    town = Town(seed=5, size=size)
    for i in range(SCENES):
        scene = town.render(100 * i)
        for folder, values in (("val", scene.image), ("valannot", scene.label)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / folder / f"town{i}.png")


def seconds(do: Callable[[int], object], rounds: int) -> float:
    """Median CPU seconds for one scene; the first round warms up."""
    times = []
    for _ in range(rounds + 1):
        started = time.process_time()
        for i in range(SCENES):
            do(i)
        times.append((time.process_time() - started) / SCENES)
    return statistics.median(times[1:])


def peak_megabytes() -> float:
    """The largest memory this process ever held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(root: Path, out: Path, rate: float, rounds: int) -> dict[str, object]:
    """Runs in its own process."""
    cv2.setNumThreads(1)
    scenes = camvid(root, split="val")
    (domain,) = weather_domains(rain=(rate,))
    painter = Painter(scenes, root, out, TOWN, seed=0, severity=1.0, size=None, kind="png")
    tasks = [
        Task(i, f"val/town{i}.png", ((domain, f"rain/val/town{i}.png"),), ()) for i in range(SCENES)
    ]
    whole = seconds(lambda i: painter.paint(tasks[i]), rounds)
    memory = peak_megabytes()  # before the parts below are all held at once
    read = [scenes.scene(i) for i in range(SCENES)]
    geometries = [geometry_of(scene, TOWN, scenes.label_space) for scene in read]

    def rain(i: int) -> np.ndarray:
        drops = drops_of(read[i].name, domain.name, 0)
        return render(read[i].image, geometries[i], domain.conditions, drops, camera=TOWN)

    wet = [rain(i) for i in range(SCENES)]
    parts = {
        "read": seconds(scenes.scene, rounds),
        "depth": seconds(lambda i: geometry_of(read[i], TOWN, scenes.label_space), rounds),
        "render": seconds(rain, rounds),
        "write": seconds(lambda i: write_whole(out / "part.png", encode(wet[i], "png")), rounds),
    }
    profile = cProfile.Profile()
    profile.runcall(lambda: [rain(i) for i in range(SCENES)])
    return {"whole": whole, "parts": parts, "memory": memory, "functions": functions(profile)}


def functions(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """Seconds a scene in each function of the weather, with what it calls, largest first."""
    stats = pstats.Stats(profile)
    found = [
        (f"{Path(file).stem}.{name}", row[3] / SCENES)
        for (file, _, name), row in stats.stats.items()  # type: ignore[attr-defined]
        if "driftseg" in Path(file).parts and not name.startswith("<")
    ]
    return sorted(found, key=lambda pair: -pair[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=None, help="one size, not both")
    parser.add_argument("--rain", type=float, default=100.0, help="mm/h")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sizes = SIZES if arguments.size is None else (tuple(arguments.size),)
    for width, height in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root, out = Path(folder, "town"), Path(folder, "set")
            write_scenes(root, (width, height))
            with get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (root, out, arguments.rain, arguments.rounds))
        parts = found["parts"]
        print(f"{width}x{height}, rain {arguments.rain:g} mm/h, one core")
        print(f"  render alone        {1 / parts['render']:6.2f} images/s")
        print(f"  from file to file   {1 / found['whole']:6.2f} images/s")
        print(f"  memory of a worker  {found['memory']:6.0f} MB at most")
        total = sum(parts.values())
        for name, value in sorted(parts.items(), key=lambda pair: -pair[1]):
            print(f"  {name:<8} {1000 * value:7.1f} ms  {value / total:4.0%}")
        print("  in render, each with what it calls:")
        for name, value in found["functions"][:8]:
            print(f"    {name:<40} {1000 * value:7.1f} ms")


if __name__ == "__main__":
    main()
