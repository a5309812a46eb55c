"""Sessions of tests are interrupted often; libraries may take long to load on a busy machine."""

from __future__ import annotations

import pytest

from driftseg.trackers import session


@pytest.fixture(autouse=True)
def _no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HASTE", 120.0)
