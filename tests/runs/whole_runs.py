"""Whole runs, small, for tests."""

from __future__ import annotations

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.runs.record import read_run
from driftseg.runs.run import run


def play(values: dict, **changes):
    return read_run(run(check({**values, **changes}, RunConfig, where="test")))


DETECTOR = {"window": 1, "rise": 0.01, "fall": -0.01, "source_level": 1.0, "far_level": 3.0}
METHOD_SETTINGS = {
    "hamlet": {
        "name": "hamlet", "base_iterations": 20, "start_training": True,
        "confidence": {"rule": "threshold", "threshold": 0.3},
        "detector": DETECTOR,
    },
    "lae": {
        "name": "lae", "detector": DETECTOR, "offline_horizon": 2,
        "learner": {"name": "restyled_replay", "train": ["adapters", "head"]},
    },
    "composed": {
        "control": {"kind": "every", "frames": 2}, "learner": {"name": "restyled_replay"},
    },
    "bank": {"name": "bank", "detector": DETECTOR, "recent": 1, "learner": {"name": "dacs"}},
    "cotta": {"name": "cotta", "scales": [1.0, 1.5], "flip": False},
    "vida": {"name": "vida", "scales": [1.0, 1.5]},
}  # fmt: skip
"""Where they are not the defaults: so that little is learnt from much, and two views will do."""

ADAPTERS = {"lae": {"kind": "adaptformer", "ratio": 0.25}}
