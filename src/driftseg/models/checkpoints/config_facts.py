"""Compares the settings in a config.json with the tensors beside it and with our encoder.

Attention heads, strides, activations and similar settings do not show in the tensors. A network
with other settings would load without an error and predict wrongly. Each setting is therefore
compared with that of driftseg's encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftseg.errors import InputError
from driftseg.models.checkpoints.layout import Layout
from driftseg.models.encoders import Encoder, mit, swin

_FIXED: dict[str, tuple[object, ...]] = {
    "hidden_act": ("gelu",),
    "num_channels": (3,),
    "qkv_bias": (True,),
    "use_absolute_embeddings": (False,),
    "use_absolute_position_embeddings": (False,),
}
"""Settings of any encoder, and their values in driftseg."""
_MIT: dict[str, tuple[object, ...]] = {
    "num_encoder_blocks": (4,),
    "patch_sizes": ([7, 3, 3, 3],),
    "strides": ([4, 2, 2, 2],),
    "sr_ratios": ([*mit.REDUCTIONS],),
    "num_attention_heads": ([*mit.HEADS],),
    "mlp_ratios": ([mit.EXPANSION] * 4,),
    # transformers stores the published number but computes with torch's default
    "layer_norm_eps": (mit.BLOCK_NORM_EPSILON, mit.EMBEDDING_NORM_EPSILON),
}
_SWIN: dict[str, tuple[object, ...]] = {
    "num_layers": (4,),
    "patch_size": (swin.PATCH, [swin.PATCH, swin.PATCH]),
    "window_size": (swin.WINDOW,),
    "mlp_ratio": (swin.EXPANSION,),
    "layer_norm_eps": (swin.EPSILON,),
}
_ROUNDING = 1e-3
"""Tolerance: files have means and deviations with three decimals."""
_MODELS = {"segformer": "SegFormer", "swin": "Swin", "upernet": "Swin"}
"""Model types in config.json, and a part of the name of the layouts that fit."""


def check_config(
    path: str,
    config: Mapping[str, Any],
    layout: Layout,
    *,
    encoder: str | None,
    head_width: int | None = None,
    outputs: int | None = None,
) -> None:
    """Raises InputError for settings of another function and settings that contradict the tensors.

    Args:
        path: of the weights, for errors.
        config: of the config.json beside them; empty without one.
        layout: of the tensors' names.
        encoder: according to the tensors' sizes.
        head_width: of the file's head, or None.
        outputs: number of outputs of that head, or None.

    Raises:
        InputError: naming the setting, its value, and what driftseg or the tensors have.
    """
    for key in ("auto_map", "quantization_config"):
        if config.get(key):
            what = "code of its own" if key == "auto_map" else "quantised weights"
            raise InputError(
                f"{path}: expected a plain SegFormer or Swin, got {key} in config.json, that is "
                f"{what}. To fix: give a model without it"
            )
    kind = config.get("model_type")
    if kind is not None and _MODELS.get(str(kind), "?") not in layout.name:
        raise InputError(
            f"{path}: expected a config.json of {layout.name}, which the tensors are, got that of "
            f"a {kind}. To fix: give the config.json that belongs to the weights, or another model"
        )
    settings = _of_encoder(config)
    wanted = {**_FIXED, **_sizes(encoder)}
    for key, values in wanted.items():
        if key in settings and not any(_equal(settings[key], value) for value in values):
            told = " or ".join(str(value) for value in values)
            raise InputError(
                f"{path}: expected {key} = {told} as in driftseg's {encoder}, got "
                f"{settings[key]} in config.json. To fix: give a network with this {key}"
            )
    if kind == "segformer":
        _agree(path, "decoder_hidden_size", config.get("decoder_hidden_size"), head_width)
    if isinstance(config.get("id2label"), Mapping) and kind in ("segformer", "upernet"):
        _agree(path, "number of classes in id2label", len(config["id2label"]), outputs)


def check_preprocessing(path: str, settings: Mapping[str, Any], encoder: Encoder) -> None:
    """Raises InputError for a network trained with another normalisation of images than ours.

    Args:
        path: of the weights, for errors.
        settings: preprocessing of images, by the names of Hugging Face's preprocessors.
        encoder: its mean and deviation are used.

    Raises:
        InputError: naming the setting, its value, and what driftseg applies.
    """
    if not settings:
        return
    wanted = {
        "image_mean": encoder.mean,
        "image_std": encoder.deviation,
        "rescale_factor": (1 / 255,),
    }
    for key, values in wanted.items():
        given = settings.get(key)
        numbers = given if isinstance(given, list | tuple) else [given]
        if given is not None and not _close(numbers, values):
            told = [round(value, 4) for value in values]
            raise InputError(
                f"{path}: expected images prepared with {key} = {told}, got {given} in the "
                "settings. To fix: give a network trained on such images"
            )
    for key in ("do_normalize", "do_rescale"):
        if settings.get(key) is False:
            raise InputError(
                f"{path}: expected {key} = true, got false in the settings. To fix: give a network "
                "trained on such images"
            )


def _close(given: Sequence[object], wanted: Sequence[float]) -> bool:
    return len(given) == len(wanted) and all(
        isinstance(one, int | float) and abs(one - other) < _ROUNDING
        for one, other in zip(given, wanted, strict=True)
    )


def _of_encoder(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("backbone_config")
    return inner if isinstance(inner, Mapping) else config


def _sizes(encoder: str | None) -> dict[str, tuple[object, ...]]:
    if encoder in mit.MIT_SIZES:
        size = mit.MIT_SIZES[encoder]
        return {**_MIT, "hidden_sizes": ([*size.channels],), "depths": ([*size.depths],)}
    if encoder in swin.SWIN_SIZES:
        swin_size = swin.SWIN_SIZES[encoder]
        return {
            **_SWIN,
            "embed_dim": (swin_size.channels[0],),
            "depths": ([*swin_size.depths],),
            "num_heads": ([*swin_size.heads],),
        }
    return {}


def _equal(given: object, wanted: object) -> bool:
    return (list(given) if isinstance(given, list | tuple) else given) == wanted


def _agree(path: str, what: str, told: object, held: int | None) -> None:
    if told is not None and held is not None and told != held:
        raise InputError(
            f"{path}: expected {what} = {held}, as the tensors have, got {told} in config.json. To "
            "fix: give the config.json that belongs to the weights"
        )
