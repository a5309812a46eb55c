"""Reads the YAML file of a config."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from driftseg.errors import InputError


def load(path: Path) -> dict[str, Any]:
    """The plain values of a YAML file.

    Raises:
        InputError: it is not there, cannot be read, or holds no keys and values.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a config file, got a path where there is none. To fix: {_mend(path)}"
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: expected a config file, got a folder. To fix: {_mend(path)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a readable config file, got an error ({error}). To fix: check that "
            "it is a text file that you may read"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: expected YAML, got {' '.join(str(error).split())}. To fix: correct that line"
        ) from None
    if not isinstance(loaded, dict):
        raise InputError(
            f"{path}: expected keys and values, got {_kind_of(loaded)}. To fix: write lines such "
            "as 'seed: 1'; driftseg examples --copy FOLDER writes whole configs"
        )
    return loaded


def _mend(path: Path) -> str:
    """What to do where a path is no config file: a run's config, or an example of that name."""
    if (path / "config.yaml").is_file():
        return f"name the config in it, {path / 'config.yaml'}"
    example = files("driftseg") / "examples" / f"{path.stem}.yaml"
    if example.is_file():
        return (
            f"copy the example with driftseg examples {path.stem} --copy FOLDER, then name "
            f"FOLDER/{path.stem}.yaml"
        )
    return "check the path, or copy an example with driftseg examples --copy FOLDER"


def _kind_of(value: Any) -> str:
    names = {list: "a list", str: "a text", type(None): "an empty file"}
    return names.get(type(value), f"a single value, {value}")
