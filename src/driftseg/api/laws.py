"""Tests of your own encoders, methods and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftseg.config.reading import apply_change, check
from driftseg.conformance.dataset import DatasetLaws
from driftseg.conformance.encoder import EncoderLaws
from driftseg.conformance.laws import Finding
from driftseg.conformance.method import MethodLaws
from driftseg.methods.table import METHODS
from driftseg.scenes.datasets import DATASETS


def check_encoder(name: str) -> list[Finding]:
    """Tests an encoder and returns each law with its result.

    Args:
        name: ``package.module:make``, or one of driftseg's.
    """
    return EncoderLaws(name).check()


def check_method(
    name: str, settings: Mapping[str, Any] | None = None, *, changes: Sequence[str] = ()
) -> list[Finding]:
    """Tests a method and returns each law with its result.

    Args:
        name: ``package.module:Method``, or one of driftseg's.
        settings: of the method.
        changes: ``key=value`` each, as ``--set`` takes them.
    """
    return MethodLaws(_settings(METHODS, name, settings, changes)).check()


def check_dataset(
    name: str, settings: Mapping[str, Any] | None = None, *, changes: Sequence[str] = ()
) -> list[Finding]:
    """Tests a dataset and returns each law with its result; arguments as in `check_method`."""
    return DatasetLaws(_settings(DATASETS, name, settings, changes)).check()


def _settings(
    table: Any, name: str, settings: Mapping[str, Any] | None, changes: Sequence[str]
) -> Any:
    values = {table.key: name, **(settings or {})}
    for change in changes:
        apply_change(values, change)
    return check(values, table.find(name, where=table.what), where=name)
