"""How fast a method is good again when a domain returns: its first visit beside its later ones.

    python benchmarks/returns.py RUN SOURCE_ONLY_RUN --domain rain200

Both runs saw the same frames. Gain is mIoU, in points over the source model on the same frames, of
predictions made before learning from their frame, over blocks of ten frames. Recovered is the
first frame of a visit from which on the ten frames ahead gain at least 90 % of what the first
visit's last twenty frames gained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from driftseg.runs.record import Run, read_run

BLOCK = 10
LAST = 20
SHARE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("source_only", type=Path)
    parser.add_argument("--domain", required=True)
    arguments = parser.parse_args()
    run, source = read_run(arguments.run), read_run(arguments.source_only)
    aim = None
    for visit in visits(run, arguments.domain):
        own, plain = frames(run, visit), frames(source, visit)
        length = len(own[0])
        if aim is None:
            last = slice(length - LAST, length)
            aim = SHARE * (score(own, last) - score(plain, last))
        ahead = [
            score(own, slice(at, at + BLOCK)) - score(plain, slice(at, at + BLOCK))
            for at in range(length - BLOCK + 1)
        ]
        reached = next((at for at, gain in enumerate(ahead) if gain >= aim), None)
        blocks = "  ".join(f"{gain:5.1f}" for gain in ahead[::BLOCK])
        told = "never" if reached is None else f"frame {reached}"
        print(f"visit {visit}: gain {blocks}   recovered ({aim:.1f}): {told}")


def visits(run: Run, domain: str) -> list[int]:
    """The visits of a domain, in order."""
    return sorted({frame["visit"] for frame in run.frames if frame["domain"] == domain})


def frames(run: Run, visit: int) -> tuple[np.ndarray, np.ndarray]:
    """Intersections and unions of a visit's frames, (N, C) each."""
    rows = [frame for frame in run.frames if frame["visit"] == visit]
    return np.array([r["intersection"] for r in rows]), np.array([r["union"] for r in rows])


def score(of: tuple[np.ndarray, np.ndarray], part: slice) -> float:
    """Mean IoU over a part of the frames, in percent."""
    intersection, union = (counts[part].sum(axis=0) for counts in of)
    present = union > 0
    return float(100 * (intersection[present] / union[present]).mean())


if __name__ == "__main__":
    main()
