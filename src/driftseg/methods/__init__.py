"""Methods: a learner, a controller and perhaps a memory, composed under a name.

The parts are usable alone, and loaded when they are first used:

>>> from driftseg import methods
>>> sorted(methods.METHODS)[:3]
['alpha_bn', 'asr', 'auto']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "METHODS": "driftseg.methods.table",
    "AdaptiveModel": "driftseg.methods.adaptive",
    "drift_signal": "driftseg.methods.signal",
    "Memory": "driftseg.methods.memory",
    "Composition": "driftseg.learners.settings",
    "MethodSettings": "driftseg.learners.settings",
    "Needs": "driftseg.learners.settings",
    "Supplies": "driftseg.learners.settings",
    "Answer": "driftseg.learners.contract",
    "Order": "driftseg.control.contract",
    "Step": "driftseg.control.contract",
    "Always": "driftseg.control.when",
    "Never": "driftseg.control.when",
    "Every": "driftseg.control.when",
    "AfterChange": "driftseg.control.after_change",
    "Tent": "driftseg.learners.tent",
    "NormStatistics": "driftseg.learners.norm_statistics",
    "SelfTraining": "driftseg.learners.self_training",
    "ReplayTraining": "driftseg.learners.replay_training",
}
"""Public names and where they live."""

__all__ = [
    "METHODS", "AdaptiveModel", "AfterChange", "Always", "Answer", "Composition", "Every",
    "Memory", "MethodSettings", "Needs", "Never", "NormStatistics", "Order", "ReplayTraining",
    "SelfTraining", "Step", "Supplies", "Tent", "drift_signal",
]  # fmt: skip

if TYPE_CHECKING:
    from driftseg.control.after_change import AfterChange
    from driftseg.control.contract import Order, Step
    from driftseg.control.when import Always, Every, Never
    from driftseg.learners.contract import Answer
    from driftseg.learners.norm_statistics import NormStatistics
    from driftseg.learners.replay_training import ReplayTraining
    from driftseg.learners.self_training import SelfTraining
    from driftseg.learners.settings import Composition, MethodSettings, Needs, Supplies
    from driftseg.learners.tent import Tent
    from driftseg.methods.adaptive import AdaptiveModel
    from driftseg.methods.memory import Memory
    from driftseg.methods.signal import drift_signal
    from driftseg.methods.table import METHODS


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used: reading a config needs the table alone."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'driftseg.methods' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
