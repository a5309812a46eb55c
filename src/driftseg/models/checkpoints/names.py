"""Tables of tensor names in other projects, and their translation to ours.

A layout is recognised by names that only it has, and explicit tables translate every name. Nothing
is matched by position, by shape, or by equal names. For example, "linear_fuse" has the same name
and shape in NVlabs' and DAFormer's files, but its input blocks are in opposite order. Loading by
name would give wrong logits without an error.
"""

from __future__ import annotations

from typing import Literal

from driftseg.models.checkpoints.layout import NO_CLASSIFIER, OTHER_HEAD, EncoderNames, Layout
from driftseg.models.checkpoints.swin_names import SWIN_LAYOUTS

NVLABS_ENCODER = EncoderNames(
    first_stage=1,
    stage={
        r"patch_embed(?P<stage>[1-4])\.proj": "embedding.projection",
        r"patch_embed(?P<stage>[1-4])\.norm": "embedding.norm",
        r"norm(?P<stage>[1-4])": "norm",
    },
    block=r"block(?P<stage>[1-4])\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "norm1": "attention_norm",
        "attn.q": "attention.query",
        "attn.kv": "attention.key_value",
        "attn.proj": "attention.projection",
        "attn.sr": "attention.reduction",
        "attn.norm": "attention.reduction_norm",
        "norm2": "feed_forward_norm",
        "mlp.fc1": "feed_forward.expand",
        "mlp.dwconv.dwconv": "feed_forward.depthwise",
        "mlp.fc2": "feed_forward.contract",
    },
)

# our key and value are one matrix; `translation.py` stacks these separate names
TRANSFORMERS_4_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"encoder\.patch_embeddings\.(?P<stage>[0-3])\.proj": "embedding.projection",
        r"encoder\.patch_embeddings\.(?P<stage>[0-3])\.layer_norm": "embedding.norm",
        r"encoder\.layer_norm\.(?P<stage>[0-3])": "norm",
    },
    block=r"encoder\.block\.(?P<stage>[0-3])\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "layer_norm_1": "attention_norm",
        "attention.self.query": "attention.query",
        "attention.self.key": "attention.key",
        "attention.self.value": "attention.value",
        "attention.self.sr": "attention.reduction",
        "attention.self.layer_norm": "attention.reduction_norm",
        "attention.output.dense": "attention.projection",
        "layer_norm_2": "feed_forward_norm",
        "mlp.dense1": "feed_forward.expand",
        "mlp.dwconv.dwconv": "feed_forward.depthwise",
        "mlp.dense2": "feed_forward.contract",
    },
)

TRANSFORMERS_5_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"stages\.(?P<stage>[0-3])\.patch_embeddings\.proj": "embedding.projection",
        r"stages\.(?P<stage>[0-3])\.patch_embeddings\.layer_norm": "embedding.norm",
        r"stages\.(?P<stage>[0-3])\.layer_norm": "norm",
    },
    block=r"stages\.(?P<stage>[0-3])\.blocks\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "layernorm_before": "attention_norm",
        "attention.q_proj": "attention.query",
        "attention.k_proj": "attention.key",
        "attention.v_proj": "attention.value",
        "attention.sequence_reduction.sequence_reduction": "attention.reduction",
        "attention.sequence_reduction.layer_norm": "attention.reduction_norm",
        "attention.o_proj": "attention.projection",
        "layernorm_after": "feed_forward_norm",
        "mlp.fc1": "feed_forward.expand",
        "mlp.dwconv.dwconv": "feed_forward.depthwise",
        "mlp.fc2": "feed_forward.contract",
    },
)

# attention is torch's module: query, key and value are one tensor, "in_proj_weight"
MMSEGMENTATION_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"layers\.(?P<stage>[0-3])\.0\.projection": "embedding.projection",
        r"layers\.(?P<stage>[0-3])\.0\.norm": "embedding.norm",
        r"layers\.(?P<stage>[0-3])\.2": "norm",
    },
    block=r"layers\.(?P<stage>[0-3])\.1\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "norm1": "attention_norm",
        "attn.attn": "attention.query_key_value",
        "attn.attn.out_proj": "attention.projection",
        "attn.sr": "attention.reduction",
        "attn.norm": "attention.reduction_norm",
        "norm2": "feed_forward_norm",
        "ffn.layers.0": "feed_forward.expand",
        "ffn.layers.1": "feed_forward.depthwise",
        "ffn.layers.4": "feed_forward.contract",
    },
)

EFFICIENTNET_BLOCKS = ((0, 1, 2), (3, 4), (5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15))
"""The package's block numbers, by our stage."""
EFFICIENTNET_INNER = {
    "_expand_conv": "expand",
    "_bn0": "expand_norm",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise_norm",
    "_project_conv": "project",
    "_bn2": "project_norm",
}
EFFICIENTNET_MODULES = {
    "_conv_stem": ("encoder.stages.0.0.convolution",),
    "_bn0": ("encoder.stages.0.0.norm",),
    **{
        # in the first stage the stem is before the blocks
        f"_blocks.{number}.{theirs}": (
            f"encoder.stages.{stage}.{place + (1 if stage == 0 else 0)}.{ours}",
        )
        for stage, numbers in enumerate(EFFICIENTNET_BLOCKS)
        for place, number in enumerate(numbers)
        for theirs, ours in EFFICIENTNET_INNER.items()
    },
}


def _head(embed: str, fuse: str, norm: str, classifier: str, first: int) -> dict[str, tuple[str]]:
    return {
        **{embed.format(i + first): (f"head.embed.{i}",) for i in range(4)},
        fuse: ("head.fuse",),
        norm: ("head.norm",),
        classifier: ("head.classifier",),
    }


NVLABS_HEAD = _head(
    "decode_head.linear_c{}.proj",
    "decode_head.linear_fuse.conv",
    "decode_head.linear_fuse.bn",
    "decode_head.linear_pred",
    first=1,
)
HAMLET_HEAD = _head(
    "decode_head.linear_c.{}.proj",
    "decode_head.linear_fuse.conv",
    "decode_head.linear_fuse.bn",
    "decode_head.linear_pred",
    first=0,
)
HAMLET_EARLY_HEAD = {
    # HAMLET's two heads share the first embedding; each of ours has its own copy
    "decode_head.linear_c.0.proj": ("head.embed.0", "early_head.embed.0"),
    "decode_head.linear_fuse_m1.conv": ("early_head.fuse",),
    "decode_head.linear_fuse_m1.bn": ("early_head.norm",),
    "decode_head.linear_pred_m1": ("early_head.classifier",),
}
TRANSFORMERS_4_HEAD, TRANSFORMERS_5_HEAD = (
    _head(
        f"decode_head.{embed}.{{}}.proj",
        "decode_head.linear_fuse",
        "decode_head.batch_norm",
        "decode_head.classifier",
        first=0,
    )
    for embed in ("linear_c", "linear_projections")
)

_DEAD = "mmseg's base class makes it and nothing reads it"

OURS = "driftseg"

Role = Literal["student", "teacher", "static"]
"""The networks in HAMLET's and DAFormer's training checkpoints; their prefixes are ``model.``,
``ema_model.`` and ``imnet_model.`` (`driftseg.models.checkpoints.sets`)."""

LAYOUTS = (
    Layout(
        "NVlabs SegFormer",
        r"decode_head\.linear_c1\.proj\.weight",
        "backbone.",
        NVLABS_ENCODER,
        NVLABS_HEAD,
        fuse_reversed=True,
        ignored={r"decode_head\.conv_seg\..+": _DEAD},
    ),
    Layout(
        "HAMLET",
        r"decode_head\.linear_fuse_m1\.conv\.weight",
        "backbone.",
        NVLABS_ENCODER,
        {**HAMLET_HEAD, **HAMLET_EARLY_HEAD},
        ignored={r"decode_head\.conv_seg\..+": _DEAD},
    ),
    Layout(
        "DAFormer",
        r"decode_head\.linear_c\.0\.proj\.weight",
        "backbone.",
        NVLABS_ENCODER,
        HAMLET_HEAD,
        ignored={r"decode_head\.conv_seg\..+": _DEAD},
    ),
    Layout(
        "NVlabs MiT encoder",
        r"(backbone\.)?patch_embed1\.proj\.weight",
        "backbone.",
        NVLABS_ENCODER,
        ignored={r"head\.(weight|bias)": NO_CLASSIFIER},
    ),
    Layout(
        "mmsegmentation SegFormer",
        r"(backbone\.)?layers\.0\.0\.projection\.weight",
        "backbone.",
        MMSEGMENTATION_ENCODER,
        linear_convolutions=True,
        # its head applies norm and ReLU to every level before the fusion: another function
        ignored={r"(decode_head|auxiliary_head)\..+": OTHER_HEAD},
    ),
    Layout(
        "Hugging Face SegFormer (names of transformers 4)",
        r"(segformer\.)?encoder\.patch_embeddings\.0\.proj\.weight",
        "segformer.",
        TRANSFORMERS_4_ENCODER,
        TRANSFORMERS_4_HEAD,
        fuse_reversed=True,
        ignored={r"classifier\.(weight|bias)": NO_CLASSIFIER},
    ),
    Layout(
        "Hugging Face SegFormer (names of transformers 5)",
        r"(segformer\.)?stages\.0\.patch_embeddings\.proj\.weight",
        "segformer.",
        TRANSFORMERS_5_ENCODER,
        TRANSFORMERS_5_HEAD,
        fuse_reversed=True,
        ignored={r"classifier\.(weight|bias)": NO_CLASSIFIER},
    ),
    Layout(
        "EfficientNet-Lite",
        r"_conv_stem\.weight",
        modules=EFFICIENTNET_MODULES,
        ignored={r"(_conv_head|_bn1|_fc)\..+": NO_CLASSIFIER},
    ),
    *SWIN_LAYOUTS,
    Layout(OURS, r"encoder\.stages\.0\..+|(early_)?head\.fuse\.weight"),
)
"""All layouts in the order in which they are tried. Hugging Face's segmentation files share
DAFormer's embedding names, so the encoder's names must also match; in a file without an encoder,
all names of the head."""
