"""Reads classes and normalisation from files in the formats of other tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftseg.errors import InputError, commas

_NUMBER = r"(\d+\.?\d*)"


def classes_of_meta(meta: object) -> dict[str, Any]:
    """Classes and colours in mmsegmentation's files, in both of its formats."""
    if not isinstance(meta, Mapping):
        return {}
    told = meta.get("dataset_meta", meta)
    if not isinstance(told, Mapping):
        return {}
    facts: dict[str, Any] = {}
    names = told.get("CLASSES", told.get("classes"))
    if isinstance(names, list | tuple):
        facts["classes"] = [str(name) for name in names]
    palette = told.get("PALETTE", told.get("palette"))
    if isinstance(palette, list | tuple) and all(_is_colour(colour) for colour in palette):
        facts["colours"] = [tuple(colour) for colour in palette]
    return facts


def images_of_meta(meta: object) -> dict[str, Any]:
    """Mean and deviation of images, if mmsegmentation's config has exactly one of each."""
    text = meta.get("config") if isinstance(meta, Mapping) else None
    found: dict[str, list[float]] = {}
    for key, name in (("image_mean", "mean"), ("image_std", "std")):
        form = rf"\b{name}['\"]?\s*[=:]\s*\[\s*{_NUMBER},\s*{_NUMBER},\s*{_NUMBER},?\s*\]"
        values = set(re.findall(form, text)) if isinstance(text, str) else set()
        if len(values) == 1:
            found[key] = [float(value) for value in values.pop()]
    scale = 255 if max(found.get("image_mean", [255.0])) > 1 else 1
    return {key: [value / scale for value in values] for key, values in found.items()}


def classes_of_config(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Class names in id order, if a config.json has them.

    Raises:
        InputError: id2label does not name one class for each id from 0 on.
    """
    names = config.get("id2label")
    if names is None:
        return {}
    try:
        by_id = {int(key): str(name) for key, name in names.items()}
        ids = sorted(by_id)
        if ids != list(range(len(ids))):
            raise ValueError(f"ids {commas(ids[:4])}, ...")
        return {"classes": [by_id[number] for number in ids]}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected one class for each id from 0 on in id2label, got {error}. To fix: "
            "correct id2label"
        ) from error


def _is_colour(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(part, int) and 0 <= part <= 255 for part in value)
    )
