"""Here a frame is rendered whenever it is asked for."""

from __future__ import annotations

import pytest

from driftseg.town.town import Town


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Town, "render", Town.render.__wrapped__)
