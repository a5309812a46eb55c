"""Libraries that only exported models need, loaded when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from driftseg.errors import InputError


def needed(*names: str) -> Any:
    """The first library, after all of them were found.

    Raises:
        InputError: one is not installed; the text names the extra.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(
                f"expected the library {name}, got no installation. To fix: pip install "
                "'driftseg[export]'"
            ) from error
    return importlib.import_module(names[0])
