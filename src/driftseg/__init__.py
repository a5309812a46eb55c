"""driftseg adapts a semantic segmentation model online, without labels, while the domain changes.

Every public name is listed here and loaded at its first use (docs/api.md). Other names are private,
except in `driftseg.weather`, `driftseg.metrics` and `driftseg.methods`.

>>> import driftseg
>>> model = driftseg.load_model()  # the bundled one; or a file, a folder, a hub id, a module
>>> source = driftseg.load_dataset("town", frames=8, every=20, size=(128, 96))
>>> adapter = driftseg.adapt(model, "auto", source=source, seed=0)
>>> street = driftseg.load_dataset("town", seed=2, frames=2, size=(128, 96))
>>> for number in range(2):
...     answer = adapter.predict(street.scene(number).image)
...     done = adapter.learn()
>>> answer.label.shape, answer.confidence.shape, len(answer.classes), adapter.state().updates
((96, 128), (96, 128), 11, 1)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Answer": "driftseg.api.online",
    "Exported": "driftseg.exporting.export",
    "ExportedModel": "driftseg.api.exported",
    "InputError": "driftseg.errors",
    "LivePage": "driftseg.live.server",
    "Model": "driftseg.api.models",
    "Moment": "driftseg.api.commands",
    "OnlineModel": "driftseg.api.online",
    "Progress": "driftseg.api.commands",
    "RunInterrupted": "driftseg.api.experiments",
    "State": "driftseg.api.online",
    "adapt": "driftseg.api.adapting",
    "calibrate": "driftseg.api.commands",
    "check_data": "driftseg.api.data",
    "check_dataset": "driftseg.api.laws",
    "check_encoder": "driftseg.api.laws",
    "check_method": "driftseg.api.laws",
    "compare_runs": "driftseg.api.comparing",
    "drive": "driftseg.api.driving",
    "export": "driftseg.api.exporting",
    "evaluate": "driftseg.api.commands",
    "find_runs": "driftseg.api.finding",
    "frames": "driftseg.api.images",
    "inspect": "driftseg.api.commands",
    "load_dataset": "driftseg.api.adapting",
    "load_exported": "driftseg.api.exported",
    "load_model": "driftseg.api.models",
    "make_weather_set": "driftseg.api.data",
    "note_run": "driftseg.api.finding",
    "repeat": "driftseg.api.experiments",
    "report": "driftseg.api.commands",
    "resume": "driftseg.api.experiments",
    "run": "driftseg.api.commands",
    "sweep": "driftseg.api.sweeps",
    "tag_run": "driftseg.api.finding",
    "train": "driftseg.api.commands",
    "tune": "driftseg.api.sweeps",
}
"""Public names and where they live."""
_ROOMS = ("methods", "metrics", "weather")
"""Public modules."""

__all__ = [
    "Answer", "Exported", "ExportedModel", "InputError", "LivePage", "Model", "Moment",
    "OnlineModel", "Progress", "RunInterrupted", "State", "__version__", "adapt",
    "calibrate", "check_data", "check_dataset", "check_encoder", "check_method", "compare_runs",
    "drive", "evaluate", "export", "find_runs", "frames", "inspect", "load_dataset",
    "load_exported", "load_model", "make_weather_set", "methods", "metrics", "note_run", "repeat",
    "report", "resume", "run", "sweep", "tag_run", "train", "tune", "weather",
]  # fmt: skip

if TYPE_CHECKING:
    from driftseg import methods, metrics, weather
    from driftseg.api.adapting import adapt, load_dataset
    from driftseg.api.commands import (
        Moment,
        Progress,
        calibrate,
        evaluate,
        inspect,
        report,
        run,
        train,
    )
    from driftseg.api.comparing import compare_runs
    from driftseg.api.data import check_data, make_weather_set
    from driftseg.api.driving import drive
    from driftseg.api.experiments import RunInterrupted, repeat, resume
    from driftseg.api.exported import ExportedModel, load_exported
    from driftseg.api.exporting import export
    from driftseg.api.finding import find_runs, note_run, tag_run
    from driftseg.api.images import frames
    from driftseg.api.laws import check_dataset, check_encoder, check_method
    from driftseg.api.models import Model, load_model
    from driftseg.api.online import Answer, OnlineModel, State
    from driftseg.api.sweeps import sweep, tune
    from driftseg.errors import InputError
    from driftseg.exporting.export import Exported
    from driftseg.live.server import LivePage


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used; `import driftseg` alone loads nothing else."""
    if name in _ROOMS:
        return importlib.import_module(f"driftseg.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'driftseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_ROOMS})


class _Package(ModuleType):
    """Keeps `driftseg.report` a function: loading the room of that name would bind the room."""

    @property
    def report(self) -> Any:
        return importlib.import_module(_PUBLIC["report"]).report

    @report.setter
    def report(self, room: ModuleType) -> None:
        """Python binds a module here when it is first loaded; the function stays."""


sys.modules[__name__].__class__ = _Package
