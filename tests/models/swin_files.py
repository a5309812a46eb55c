"""Swin's weights as other projects name and order them, rewritten from Hugging Face's names."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from weight_files import State, draw

from driftseg.models.encoders.swin import SwinSize

STAGES = ["stage1", "stage2", "stage3", "stage4"]


def backbone(size: SwinSize, **changes: Any) -> nn.Module:
    """transformers' SwinBackbone with random weights, in float64."""
    import transformers

    config = transformers.SwinConfig(**facts(size), out_features=STAGES, **changes)
    model = transformers.SwinBackbone(config).double().eval()
    with torch.no_grad():
        draw(model.state_dict(), seed=4)
    return model


def facts(size: SwinSize) -> dict[str, Any]:
    import transformers

    given: dict[str, Any] = {
        "embed_dim": size.channels[0],
        "depths": list(size.depths),
        "num_heads": list(size.heads),
    }
    if transformers.SwinModel._supports_sdpa:  # its eager form rounds the softmax to float32
        given["attn_implementation"] = "sdpa"
    return given


_MICROSOFT = (
    (r"^swin\.", ""),
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^embeddings\.norm", "patch_embed.norm"),
    (r"^encoder\.layers", "layers"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"attention\.self\.relative", "attn.relative"),
    (r"attention\.self\.qkv", "attn.qkv"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"output\.dense", "mlp.fc2"),
    (r"^layernorm", "norm"),
    (r"^hidden_states_norms\.stage(\d)", lambda match: f"norm{int(match[1]) - 1}"),
)


def to_microsoft(state: State) -> State:
    """A SwinBackbone's file as the authors' segmentation code names it."""
    state = dict(state)
    for name in [name for name in state if ".attention.self.query." in name]:
        rows = [state.pop(name.replace("query", word)) for word in ("query", "key", "value")]
        state[name.replace("query", "qkv")] = torch.cat(rows)
    renamed: State = {}
    for name, tensor in state.items():
        for pattern, text in _MICROSOFT:
            name = re.sub(pattern, text, name)
        renamed[name] = tensor
        if name.endswith("relative_position_bias_table"):
            renamed[name.replace("bias_table", "index")] = torch.zeros(49, 49, dtype=torch.long)
        if name.endswith("1.norm1.weight"):
            renamed[name.replace("norm1.weight", "attn_mask")] = torch.zeros(64, 49, 49)
    # the authors' segmentation code has no norm at the end, and not every SwinBackbone has
    return {n: t for n, t in renamed.items() if n not in ("norm.weight", "norm.bias")}


def to_imagenet(microsoft: State) -> State:
    """As the authors' classifier: one norm at the end in place of the output norms."""
    state = {n: t for n, t in microsoft.items() if not re.match(r"norm\d", n)}
    width = microsoft["norm3.weight"].shape[0]
    return {
        **state,
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
        "head.weight": torch.zeros(1000, width),
        "head.bias": torch.zeros(1000),
    }


_MMSEGMENTATION = (
    (r"^", "backbone."),
    (r"patch_embed\.proj", "patch_embed.projection"),
    (r"\.layers\.", ".stages."),
    (r"\.attn\.", ".attn.w_msa."),
    (r"mlp\.fc1", "ffn.layers.0.0"),
    (r"mlp\.fc2", "ffn.layers.1"),
)


def to_mmsegmentation(microsoft: State) -> State:
    """As mmsegmentation: other names, and merging's input in the order of torch's unfold."""
    renamed: State = {}
    for name, tensor in microsoft.items():
        if name.endswith("attn_mask"):
            continue
        if "downsample" in name:
            tensor = unfold_order(tensor)
        for pattern, text in _MMSEGMENTATION:
            name = re.sub(pattern, text, name)
        renamed[name] = tensor
    return renamed


def unfold_order(tensor: Tensor) -> Tensor:
    """The last dimension, laid out as four corners, in the order of ``nn.Unfold``'s output.

    The order is found by unfolding a map that holds, at each corner, its own numbers.
    """
    channels = tensor.shape[-1] // 4
    numbers = torch.arange(4 * channels, dtype=torch.float64).reshape(4, channels)
    patch = torch.empty(1, channels, 2, 2, dtype=torch.float64)
    for corner, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        patch[0, :, row, column] = numbers[corner]
    return tensor[..., nn.Unfold(2)(patch).flatten().long()]
