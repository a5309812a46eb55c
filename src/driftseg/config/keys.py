"""Which command a config is for, and which known key is nearest to an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Literal

from driftseg.errors import InputError

Command = Literal["run", "train"]

ABBREVIATIONS = {
    "lr": ("learning_rate",),
    "wd": ("weight_decay",),
    "bs": ("batch_size",),
    "iters": ("steps",),
    "iterations": ("steps",),
    "epochs": ("steps",),
    "val": ("validation",),
    "ckpt": ("checkpoint",),
    "backbone": ("encoder",),
    "model_name": ("encoder",),
    "path": ("root", "file", "checkpoint"),
    "dir": ("root", "out"),
    "folder": ("root", "images"),
    "output_dir": ("out",),
    "gpu": ("device",),
    "warmup": ("warm_up",),
    "resize": ("size",),
    "stride": ("every",),
}
"""Common names of settings -> their names here, the likeliest first."""


def command_of(values: Mapping[str, Any]) -> Command | None:
    """The command whose config these values are, by keys that only this command has."""
    run, train = bool({"target", "method"} & {*values}), "validation" in values
    if run == train:
        return None
    return "run" if run else "train"


def check_command(values: Mapping[str, Any], wanted: str, where: str) -> None:
    """Refuses a config of another command.

    Args:
        values: of the file.
        wanted: name of the config class they must fit.
        where: what to call them in an error.

    Raises:
        InputError: they are the other command's.
    """
    found = command_of(values)
    if "base" in values and wanted in ("RunConfig", "TrainConfig"):
        what = "tune" if "methods" in values else "sweep"
        raise InputError(
            f"{where}: expected a config, got a file for driftseg {what}. To fix: driftseg {what} "
            f"{where}"
        )
    if wanted == "RunConfig" and found == "train":
        raise InputError(
            f"{where}: expected a config for driftseg run, evaluate or calibrate, with target and "
            "method, got a config for driftseg train. To fix: use driftseg train, or name another "
            "file"
        )
    if wanted == "TrainConfig" and found == "run":
        raise InputError(
            f"{where}: expected a config for driftseg train, with data and validation, got a "
            "config for driftseg run. To fix: use driftseg run, or name another file"
        )


def nearest(key: str, known: Collection[str]) -> str | None:
    """The known key that is nearest to a mistyped or abbreviated one.

    Args:
        key: the key in the config.
        known: the known keys.
    """
    mistyped = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
    if mistyped:
        return mistyped[0]
    usual = ABBREVIATIONS.get(key.lower())
    if usual is not None:  # nothing that merely looks like it is meant
        return next((name for name in usual if name in known), None)
    for name in known:
        if len(key) > 1 and _abbreviates(key.lower().replace("_", ""), name.split("_")):
            return name
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return near[0] if near else None


def _abbreviates(key: str, words: list[str]) -> bool:
    """Whether a key is made of beginnings of all the words: lr, learnrate, lrate."""
    if not words:
        return not key
    word, *rest = words
    return any(
        key[:end] == word[:end] and _abbreviates(key[end:], rest)
        for end in range(1, min(len(key), len(word)) + 1)
    )
