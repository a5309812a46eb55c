"""Segmentation models that nobody here wrote: torchvision's, segmentation_models_pytorch's."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import torch
from torch import nn

_LIBRARIES: list[torch.library.Library] = []


def name_torchvision_operators() -> None:
    """Lets torchvision be imported where its compiled operators do not fit the build of torch.

    Its Python models work all the same, once the names of these operators are known to torch.
    `conftest.py` calls this before anything imports torchvision (transformers does, if it can).
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _LIBRARIES:
        return
    package = Path(spec.origin).parent
    built_for_cuda = "+cu" in (package / "version.py").read_text()
    if not built_for_cuda or torch.version.cuda is not None:
        return
    text = (package / "_meta_registrations.py").read_text()
    names = {*re.findall(r'"torchvision::(\w+)"', text),
             *re.findall(r'register_meta\("(\w+)"\)', text)}  # fmt: skip
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(names):
        library.define(f"{name}(Tensor x) -> Tensor")
    _LIBRARIES.append(library)


def lraspp(classes: int = 5) -> nn.Module:
    """A dict with ``out``."""
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes)


def unet(classes: int = 5) -> nn.Module:
    """A tensor at the image's size; norms throughout."""
    import segmentation_models_pytorch as smp

    return smp.Unet(
        "resnet18", encoder_weights=None, classes=classes, decoder_channels=[64, 32, 16, 16, 8]
    )


def segformer_hf(classes: int = 5) -> nn.Module:
    """An object with ``.logits`` at a quarter of the size; layer norms, dropout, drop path."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[16, 24, 32, 48], decoder_hidden_size=24,
        num_attention_heads=[1, 2, 4, 4], num_labels=classes,
    )  # fmt: skip
    return SegformerForSemanticSegmentation(config)


class Plain(nn.Module):
    """Two convolutions with a norm and dropout; no encoder, no head, no stages."""

    def __init__(self, classes: int = 5):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout2d(0.2)
        self.second = nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, images):
        return self.second(self.dropout(self.act(self.norm(self.first(images)))))


MODELS = {"plain": Plain, "unet": unet, "lraspp": lraspp, "segformer": segformer_hf}
PARTS = {
    "plain": ["first", "norm", "second"],
    "unet": ["encoder.conv1", "encoder.bn1", "encoder.layer1", "encoder.layer2", "encoder.layer3",
             "encoder.layer4", "decoder", "segmentation_head"],
    "lraspp": ["backbone", "classifier"],
    "segformer": ["segformer.stages.0", "segformer.stages.1"],
}  # fmt: skip


def foreign(name: str, *, classes: int = 5, seed: int = 0) -> nn.Module:
    """One of `MODELS` with weights of a seed, its statistics as if it had been trained."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MODELS[name](classes)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return model.eval()
