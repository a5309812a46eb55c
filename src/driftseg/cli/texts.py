"""Texts that people write and read on the command line."""

from __future__ import annotations

from driftseg.errors import InputError


def duration(seconds: float) -> str:
    """Seconds as text in s, min or h."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) from ``480x360``.

    Raises:
        InputError: the text has another form.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(
            f"--size: expected WIDTHxHEIGHT in pixels, got {text!r}. To fix: write for example "
            "--size 480x360"
        )
    return int(width), int(height)
