"""A Hugging Face folder: SegFormer for transformers, with classes and preprocessing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from driftseg.errors import InputError
from driftseg.exporting.extras import needed
from driftseg.exporting.model_card import model_card
from driftseg.exporting.onnx_file import Floats
from driftseg.exporting.parity import Runs
from driftseg.exporting.program import quiet
from driftseg.models.checkpoints.files import CONFIG, PREPROCESSING
from driftseg.models.checkpoints.names import TRANSFORMERS_4_ENCODER, TRANSFORMERS_4_HEAD
from driftseg.models.checkpoints.translation import guess_encoder
from driftseg.models.encoders import mit
from driftseg.models.encoders.sites import adapters_of
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter

WEIGHTS = "model.safetensors"
CARD = "README.md"
_STAGE = {
    "embedding.projection": "patch_embeddings.{}.proj",
    "embedding.norm": "patch_embeddings.{}.layer_norm",
    "norm": "layer_norm.{}",
}
_BLOCK = {ours: theirs for theirs, ours in TRANSFORMERS_4_ENCODER.inner.items()}
_HEAD = {ours[0]: theirs for theirs, ours in TRANSFORMERS_4_HEAD.items()}


def expressible(network: Network) -> tuple[Segmenter, str]:
    """The network as a SegFormer, and its encoder's name.

    Raises:
        InputError: a part of it has no counterpart in transformers' SegFormer; the text names it.
    """
    what = "--to huggingface: expected a SegFormer (a MiT encoder and its all-MLP head)"
    instead = "take onnx, openvino or torch_export"
    if not isinstance(network, Segmenter):
        raise InputError(
            f"{what}, got a {type(network.module).__name__} of your own. To fix: {instead}"
        )
    encoder = guess_encoder(network.state_dict())
    if encoder not in mit.MIT_SIZES:
        kind = encoder or type(network.encoder).__name__
        raise InputError(f"{what}, got the encoder {kind}. To fix: {instead}")
    left = sorted({type(one).__name__ for _, one in adapters_of(network)})
    if left:
        raise InputError(
            f"{what}, got adapters that cannot be added to its weights ({', '.join(left)}). To "
            f"fix: {instead}, where they stay in the graph"
        )
    return network, encoder


def write_folder(
    folder: Path,
    network: Segmenter,
    encoder: str,
    *,
    classes: Sequence[str],
    came: Mapping[str, Any],
    made: Mapping[str, str],
) -> None:
    """Writes config.json, model.safetensors, preprocessor_config.json and README.md.

    Args:
        folder: a new one.
        network: from `expressible`.
        encoder: its name.
        classes: names in id order.
        came: ``config`` and ``preprocessing`` of the model's Hugging Face folder, if it has one.
        made: facts for the model card, by heading.
    """
    folder.mkdir(parents=True)
    tensors = {name: tensor.contiguous() for name, tensor in renamed(network.state_dict())}
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    config = config_of(network, encoder, _spelled(classes, came.get("config", {})))
    images = came.get("preprocessing") or preprocessing_of(network)
    for name, values in ((CONFIG, config), (PREPROCESSING, images)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    names = [*config["id2label"].values()]
    (folder / CARD).write_text(model_card(encoder, names, made), encoding="utf-8")


def config_of(network: Segmenter, encoder: str, classes: Sequence[str]) -> dict[str, Any]:
    """The config.json of a network."""
    size = mit.MIT_SIZES[encoder]
    return {
        "architectures": ["SegformerForSemanticSegmentation"],
        "model_type": "segformer",
        "num_channels": 3,
        "num_encoder_blocks": 4,
        "depths": [*size.depths],
        "sr_ratios": [*mit.REDUCTIONS],
        "hidden_sizes": [*size.channels],
        "patch_sizes": [7, 3, 3, 3],
        "strides": [4, 2, 2, 2],
        "num_attention_heads": [*mit.HEADS],
        "mlp_ratios": [mit.EXPANSION] * 4,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": network.head.dropout,
        "drop_path_rate": 0.1,
        "layer_norm_eps": mit.BLOCK_NORM_EPSILON,
        "decoder_hidden_size": network.head.width,
        "reshape_last_stage": True,
        "semantic_loss_ignore_index": 255,
        "id2label": {str(number): name for number, name in enumerate(classes)},
        "label2id": {name: number for number, name in enumerate(classes)},
        "torch_dtype": "float32",
    }


def preprocessing_of(network: Segmenter) -> dict[str, Any]:
    """The preprocessor_config.json of a network: scaled and normalised, at the image's own size."""
    return {
        "image_processor_type": "SegformerImageProcessor",
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [*network.encoder.mean],
        "image_std": [*network.encoder.deviation],
        "do_reduce_labels": False,
    }


def renamed(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Tensors by the names of transformers 4, which 5 reads too; without the early head."""
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        tensor = tensor.detach().cpu()
        words = module.split(".")
        if words[0] == "head":
            if module == "head.fuse":
                tensor = torch.cat(tensor.chunk(4, dim=1)[::-1], dim=1)
            yield f"{_HEAD[module]}.{leaf}", tensor
        elif words[0] == "encoder" and words[3] != "blocks":
            yield f"segformer.encoder.{_STAGE['.'.join(words[3:])].format(words[2])}.{leaf}", tensor
        elif words[0] == "encoder":
            start = f"segformer.encoder.block.{words[2]}.{words[4]}"
            inner = ".".join(words[5:])
            if inner == "attention.key_value":
                for part, half in zip(("key", "value"), tensor.chunk(2), strict=True):
                    yield f"{start}.{_BLOCK[f'attention.{part}']}.{leaf}", half
            else:
                yield f"{start}.{_BLOCK[inner]}.{leaf}", tensor


def loaded(folder: Path, network: Segmenter) -> Runs:
    """The folder in transformers, with images of 0 to 255 normalised as in the network."""
    transformers = needed("transformers")
    try:
        kind = transformers.SegformerForSemanticSegmentation
    except Exception as error:  # a dependency does not fit
        raise InputError(
            "expected a transformers library that loads SegFormer, to compare the folder, got "
            "none. To fix: pip install 'driftseg[export]'"
        ) from error
    with quiet():
        model = kind.from_pretrained(str(folder), local_files_only=True).eval()

    def runs(images: Floats) -> Floats:
        with torch.no_grad():
            x = network.start(torch.from_numpy(images) / 255).x
            return np.asarray(model(x).logits.numpy(), dtype=np.float32)

    return runs


def _spelled(classes: Sequence[str], config: Mapping[str, Any]) -> list[str]:
    """Names as spelled in the model's original folder."""
    given = config.get("id2label")
    theirs = [str(name) for name in given.values()] if isinstance(given, Mapping) else []
    spelling = {_key(name): name for name in theirs}
    return [spelling.get(_key(name), name) for name in classes]


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-")
