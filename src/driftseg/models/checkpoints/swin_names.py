"""Tensor names of Swin in other projects.

Two differences are more than names. All other files store patch merging under the stage before, and
mmsegmentation's merging takes its input in another order.
"""

from __future__ import annotations

from driftseg.models.checkpoints.layout import NO_CLASSIFIER, OTHER_HEAD, EncoderNames, Layout

# query, key and value: one matrix in Microsoft's and mmsegmentation's files, three in Hugging
# Face's, query and key_value in ours; `translation.py` splits and stacks
MICROSOFT_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"patch_embed\.proj": "embedding.projection",
        r"patch_embed\.norm": "embedding.norm",
        r"layers\.(?P<before>[0-2])\.downsample\.norm": "embedding.norm",
        r"layers\.(?P<before>[0-2])\.downsample\.reduction": "embedding.projection",
        r"norm(?P<stage>[0-3])": "output_norm",
    },
    block=r"layers\.(?P<stage>[0-3])\.blocks\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "norm1": "attention_norm",
        "attn": "attention",  # the bias table is a separate tensor
        "attn.qkv": "attention.query_key_value",
        "attn.proj": "attention.projection",
        "norm2": "feed_forward_norm",
        "mlp.fc1": "feed_forward.expand",
        "mlp.fc2": "feed_forward.contract",
    },
)

# timm stores merging under the stage that it begins; all else is as in Microsoft's files
TIMM_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"patch_embed\.proj": "embedding.projection",
        r"patch_embed\.norm": "embedding.norm",
        r"layers\.(?P<stage>[1-3])\.downsample\.norm": "embedding.norm",
        r"layers\.(?P<stage>[1-3])\.downsample\.reduction": "embedding.projection",
    },
    block=MICROSOFT_ENCODER.block,
    inner=MICROSOFT_ENCODER.inner,
)

MMSEGMENTATION_ENCODER = EncoderNames(
    first_stage=0,
    stage={
        r"patch_embed\.projection": "embedding.projection",
        r"patch_embed\.norm": "embedding.norm",
        r"stages\.(?P<before>[0-2])\.downsample\.norm": "embedding.norm",
        r"stages\.(?P<before>[0-2])\.downsample\.reduction": "embedding.projection",
        r"norm(?P<stage>[0-3])": "output_norm",
    },
    block=r"stages\.(?P<stage>[0-3])\.blocks\.(?P<block>\d+)\.(?P<inner>.+)",
    inner={
        "norm1": "attention_norm",
        "attn.w_msa": "attention",
        "attn.w_msa.qkv": "attention.query_key_value",
        "attn.w_msa.proj": "attention.projection",
        "norm2": "feed_forward_norm",
        "ffn.layers.0.0": "feed_forward.expand",
        "ffn.layers.1": "feed_forward.contract",
    },
)

# SwinModel's files have no prefix, a classifier's have "swin.", UperNet's have "backbone."
_OWNER = r"(?:swin\.|backbone\.)?"
_TRANSFORMERS_STAGE = {
    rf"{_OWNER}embeddings\.patch_embeddings\.projection": "embedding.projection",
    rf"{_OWNER}embeddings\.norm": "embedding.norm",
    rf"{_OWNER}encoder\.layers\.(?P<before>[0-2])\.downsample\.norm": "embedding.norm",
    rf"{_OWNER}encoder\.layers\.(?P<before>[0-2])\.downsample\.reduction": "embedding.projection",
    rf"{_OWNER}hidden_states_norms\.stage(?P<after>[1-4])": "output_norm",
}
_TRANSFORMERS_BLOCK = (
    rf"{_OWNER}encoder\.layers\.(?P<stage>[0-3])\.blocks\.(?P<block>\d+)\.(?P<inner>.+)"
)
TRANSFORMERS_4_ENCODER = EncoderNames(
    first_stage=0,
    stage=_TRANSFORMERS_STAGE,
    block=_TRANSFORMERS_BLOCK,
    inner={
        "layernorm_before": "attention_norm",
        "attention.self": "attention",
        "attention.self.query": "attention.query",
        "attention.self.key": "attention.key",
        "attention.self.value": "attention.value",
        "attention.output.dense": "attention.projection",
        "layernorm_after": "feed_forward_norm",
        "intermediate.dense": "feed_forward.expand",
        "output.dense": "feed_forward.contract",
    },
)
TRANSFORMERS_5_ENCODER = EncoderNames(
    first_stage=0,
    stage=_TRANSFORMERS_STAGE,
    block=_TRANSFORMERS_BLOCK,
    inner={
        "layernorm_before": "attention_norm",
        "attention.relative_position_bias": "attention",
        "attention.q_proj": "attention.query",
        "attention.k_proj": "attention.key",
        "attention.v_proj": "attention.value",
        "attention.o_proj": "attention.projection",
        "layernorm_after": "feed_forward_norm",
        "mlp.fc1": "feed_forward.expand",
        "mlp.fc2": "feed_forward.contract",
    },
)

_REBUILT = "follows from the sizes; driftseg computes it"
_FINAL_NORM = "normalises for a classifier of whole images; driftseg has no use for it"
_IGNORED = {
    r".+\.(attn_mask|relative_position_index)": _REBUILT,
    r"(decode_head|auxiliary_head)\..+": OTHER_HEAD,
}
_MICROSOFT_IGNORED = {
    **_IGNORED,
    r"(backbone\.)?norm\.(weight|bias)": _FINAL_NORM,
    r"head\.(weight|bias)": NO_CLASSIFIER,
}
_TRANSFORMERS_IGNORED = {
    **_IGNORED,
    r"(backbone\.)?(swin\.)?layernorm\.(weight|bias)": _FINAL_NORM,
    r"classifier\.(weight|bias)": NO_CLASSIFIER,
}

SWIN_LAYOUTS = (
    Layout(
        "timm Swin",
        r"(backbone\.)?layers\.3\.downsample\.reduction\.weight",
        "backbone.",
        TIMM_ENCODER,
        ignored={**_MICROSOFT_IGNORED, r"head\.fc\.(weight|bias)": NO_CLASSIFIER},
    ),
    Layout(
        "Microsoft Swin",
        r"(backbone\.)?layers\.0\.blocks\.0\.attn\.relative_position_bias_table",
        "backbone.",
        MICROSOFT_ENCODER,
        ignored=_MICROSOFT_IGNORED,
    ),
    Layout(
        "mmsegmentation Swin",
        r"(backbone\.)?stages\.0\.blocks\.0\.attn\.w_msa\.relative_position_bias_table",
        "backbone.",
        MMSEGMENTATION_ENCODER,
        merging_unfolded=True,
        ignored=_MICROSOFT_IGNORED,
    ),
    Layout(
        "Hugging Face Swin (names of transformers 4)",
        rf"{_OWNER}encoder\.layers\.0\.blocks\.0\.attention\.self\.relative_position_bias_table",
        encoder=TRANSFORMERS_4_ENCODER,
        ignored=_TRANSFORMERS_IGNORED,
    ),
    Layout(
        "Hugging Face Swin (names of transformers 5)",
        rf"{_OWNER}encoder\.layers\.0\.blocks\.0\.attention\.relative_position_bias\..+_table",
        encoder=TRANSFORMERS_5_ENCODER,
        ignored=_TRANSFORMERS_IGNORED,
    ),
)
