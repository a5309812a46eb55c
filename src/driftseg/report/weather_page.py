"""A contact sheet of a weather set, from its record and its images."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image as PillowImage

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.report.writing import write_whole

PAGE = "preview.html"
SHOWN = 3
"""Number of images on the sheet, evenly distributed over the set."""
WIDTH = 380
"""Width of a thumbnail in pixels."""


def write_weather_page(folder: Path, read: Callable[[Path], Image]) -> Path:
    """Writes ``preview.html`` into a weather set; returns its path.

    Args:
        folder: of the set, with its ``weather.json``.
        read: reads an image file upright, (H, W, 3). InputError leaves its place empty.

    Raises:
        InputError: there is no record, or the page cannot be written.
    """
    record = _read(folder / "weather.json")
    loader = jinja2.PackageLoader("driftseg.report", "templates")
    page = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = page.get_template("weather.html").render(_facts(folder, record, read))
    path = folder / PAGE
    write_whole(path, html, what="the preview")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{path}: expected the record of a weather set, got no readable one. To fix: name a "
            "folder that driftseg weather made"
        ) from None
    return dict(values)


def _facts(
    folder: Path, record: Mapping[str, Any], read: Callable[[Path], Image]
) -> dict[str, Any]:
    settings, images = record["settings"], record["images"]
    shown = _spread([s for s in images if len(images[s]["made"]) == len(record["domains"])]
                    or list(images))  # fmt: skip
    rows: list[dict[str, Any]] = [{
        "name": "as it is",
        "numbers": [],
        "cells": [_thumbnail(folder / settings["root"] / source, read) for source in shown],
    }]  # fmt: skip
    for name, domain in record["domains"].items():
        made = [images[source]["made"].get(name) for source in shown]
        rows.append({
            "name": domain["words"],
            "numbers": _numbers(domain),
            "cells": [None if m is None else _thumbnail(folder / m["file"], read) for m in made],
        })  # fmt: skip
    depths = [images[source]["depth"] for source in images]
    return {
        "title": folder.resolve().name,
        "count": len(images),
        "settings": {k: _plain(v) for k, v in settings.items() if k != "camera"},
        "camera": settings["camera"],
        "names": [Path(source).name for source in shown],
        "rows": rows,
        "depths": {source: depths.count(source) for source in dict.fromkeys(depths)},
        "unreadable": record["unreadable"],
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(domain: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Extinction and transmission of the air."""
    if domain["extinction_per_kilometre"] == 0:
        return [("air", "clear")]
    return [
        ("extinction", f"{domain['extinction_per_kilometre']:.2f} / km"),
        ("transmission at 100 m", f"{domain['transmission_at_100_m']:.3f}"),
    ]


def _spread(sources: Sequence[str]) -> list[str]:
    """A few of them, from first to last."""
    if len(sources) <= SHOWN:
        return list(sources)
    return [sources[round(i * (len(sources) - 1) / (SHOWN - 1))] for i in range(SHOWN)]


def _thumbnail(path: Path, read: Callable[[Path], Image]) -> str | None:
    """A small JPEG as a data URL; None if the file cannot be read."""
    try:
        shown = PillowImage.fromarray(read(path))
    except InputError:
        return None
    if shown.width > WIDTH:
        size = (WIDTH, max(1, round(shown.height * WIDTH / shown.width)))
        shown = shown.resize(size, PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
