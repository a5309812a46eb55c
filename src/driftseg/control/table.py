"""Every controller by the name that configs use."""

from __future__ import annotations

from typing import Any

from driftseg.parts import PartTable

CONTROLLERS: PartTable[Any] = PartTable(
    "controller",
    {
        "always": "driftseg.control.when:AlwaysSettings",
        "every": "driftseg.control.when:EverySettings",
        "deadline": "driftseg.control.when:DeadlineSettings",
        "after_change": "driftseg.control.after_change:AfterChangeSettings",
    },
    group="driftseg.controllers",
    kind="driftseg.control.settings:ControlSettings",
    key="kind",
)
"""The whole list. HAMLET's is after_change."""
