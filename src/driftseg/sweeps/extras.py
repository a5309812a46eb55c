"""Ray and Optuna, loaded when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from driftseg.errors import InputError


def ray() -> Any:
    """The package ray.

    Raises:
        InputError: it is not installed.
    """
    return _loaded("ray", "sweep")


def optuna() -> Any:
    """The package optuna; it logs errors only.

    Raises:
        InputError: it is not installed.
    """
    module = _loaded("optuna", "tune")
    module.logging.set_verbosity(module.logging.ERROR)
    return module


def _loaded(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"expected the package {name}, got none ({error}). To fix: "
            f"pip install 'driftseg[{extra}]'"
        ) from None
