"""Files of the Hugging Face hub: from the cache on this computer first, then from the network.

Without a network the error is one line and comes at once. The hub's own client would retry for half
a minute for every file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from driftseg.errors import InputError

PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""


def fetch(hub_id: str, weights: Sequence[str], index: str, settings: Sequence[str]) -> Path:
    """The path of a model's weights; its settings and all pieces are in the same folder.

    Args:
        hub_id: "owner/name".
        weights: possible names of the weights, best first.
        index: suffix of the index of weights in several files.
        settings: names of optional files of settings.

    Raises:
        InputError: the model is not in the cache, and the hub is not reachable, does not have it,
            or has no such weights.
    """
    import huggingface_hub  # slow to import and rarely needed

    names = [f"{name}{ending}" for name in weights for ending in ("", index)]
    cached = _first_cached(huggingface_hub, hub_id, names)
    if cached is not None:
        return cached
    try:
        held = _held_by_hub(huggingface_hub, hub_id)
        found = next((name for name in names if name in held), None)
        if found is not None:
            # the weights come last: an incomplete download must not look complete
            wanted = [name for name in settings if name in held]
            if found.endswith(index):
                kind = Path(found.removesuffix(index)).suffix
                wanted += [n for n in held if n.endswith(kind) and "/" not in n and "-of-" in n]
            for name in wanted:
                huggingface_hub.hf_hub_download(hub_id, name)
            return Path(huggingface_hub.hf_hub_download(hub_id, found))
    except Exception as error:  # offline, unknown, refused: the exception types vary by version
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            f"{hub_id}: expected a file or folder here, or a model on the Hugging Face hub, got "
            f"neither ({reason[:160]}). To fix: check the name and the network, or pass a local "
            "file"
        ) from error
    raise InputError(
        f"{hub_id}: expected {' or '.join(weights)} on the Hugging Face hub, got none. To fix: "
        "choose a model that has one, or pass a local file"
    )


def _first_cached(hub: Any, hub_id: str, names: Iterable[str]) -> Path | None:
    for name in names:
        path = hub.try_to_load_from_cache(hub_id, name)
        if isinstance(path, str):  # otherwise None, or the marker for "known to be absent"
            return Path(path)
    return None


def _held_by_hub(hub: Any, hub_id: str) -> list[str]:
    """Names of the files of a model; one request without retries."""
    if hub.constants.HF_HUB_OFFLINE:
        raise ConnectionError(
            "expected the model in the cache, because HF_HUB_OFFLINE is set, got none. To fix: "
            "unset HF_HUB_OFFLINE, or pass a local file"
        )
    files = hub.HfApi().model_info(hub_id, timeout=PATIENCE).siblings or []
    return [file.rfilename for file in files]
