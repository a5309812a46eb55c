"""What the guard did in a run, in a line."""

from __future__ import annotations

from collections import Counter

from driftseg.errors import commas
from driftseg.runs.record import Run


def guard_line(run: Run) -> str | None:
    """Frames that were not learnt from, and states brought back; None where nothing was found."""
    told = [(frame["index"], frame.get("guard") or {}) for frame in run.frames]
    refused = Counter(entry["unusable"] for _, entry in told if "unusable" in entry)
    back = [str(index) for index, entry in told if "collapse" in entry]
    parts = []
    if refused:
        reasons = commas([f"{name} {count}" for name, count in refused.most_common()])
        parts.append(f"{sum(refused.values())} frames were not learnt from ({reasons})")
    if back:
        parts.append(f"an earlier state was brought back at frame {commas(back)}")
    return f"{run.path.name}, guard: {'; '.join(parts)}" if parts else None
