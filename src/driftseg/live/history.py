"""Values over a whole drive in bounded memory."""

from __future__ import annotations

from typing import Any

MOST = 600
"""Largest number of points; a chart has no more columns."""


class History:
    """Points of a drive, evenly thinned when there are too many.

    Point ``i`` is kept while ``i`` is a multiple of `stride`. The stride doubles when `most` points
    are reached, and every second point is dropped.

    Args:
        most: largest number of points, 2 or more.
    """

    def __init__(self, most: int = MOST):
        self.stride = 1
        self._most = most
        self._seen = 0
        self._points: list[tuple[int, Any]] = []

    def add(self, value: Any) -> None:
        """The next frame's value."""
        if self._seen % self.stride == 0:
            self._points.append((self._seen, value))
        self._seen += 1
        if len(self._points) > self._most:
            self.stride *= 2
            self._points = [point for point in self._points if point[0] % self.stride == 0]

    def points(self) -> list[tuple[int, Any]]:
        """(frame number from 0, value) of the kept points."""
        return list(self._points)
