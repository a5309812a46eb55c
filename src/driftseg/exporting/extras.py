"""Optional libraries for exported models, loaded at their first use."""

from __future__ import annotations

import importlib
from typing import Any

from driftseg.errors import InputError


def needed(*names: str) -> Any:
    """The first library, after a check that all are installed.

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
