"""Statistics that follow the target, against torch's own batch normalisation."""

from __future__ import annotations

import copy

import pytest
import torch
from small_methods import make_norm_statistics
from torch import nn

from driftseg.learners.answering import to_images


def as_torch(model) -> nn.Module:
    """The same network with torch's batch normalisation in training mode, and nothing else."""
    plain = copy.deepcopy(model).eval()
    for module in plain.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = nn.BatchNorm2d(child.num_features, eps=child.eps, momentum=child.momentum)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm.train())
    return plain


@pytest.mark.parametrize("encoder", ["tiny_lite", "tiny_mit"])
def test_statistics_move_as_torchs_in_training(encoder, make_model, frames) -> None:
    model = make_model(encoder).eval()
    plain = as_torch(model)
    parameters = {n: p.detach().clone() for n, p in model.named_parameters()}
    method = make_norm_statistics(model)
    for image in frames[:3]:
        method.predict(image)
        assert method.learn().trained
        with torch.no_grad():
            plain(to_images(image, torch.device("cpu")))
    expected = plain.state_dict()
    moved = 0
    for name, tensor in model.state_dict().items():
        if name.startswith("early_head"):
            continue
        assert torch.allclose(tensor.float(), expected[name].float(), rtol=1e-4, atol=1e-6), name
        moved += "running_mean" in name
    assert moved == (1 if encoder == "tiny_mit" else moved) > 0
    assert all(torch.equal(parameters[n], p) for n, p in model.named_parameters())
    assert method.updates == 3


def test_a_frame_that_spoils_them_is_not_learnt_from(make_model, frames) -> None:
    model = make_model("tiny_lite")
    method = make_norm_statistics(model)
    method.predict(frames[0])
    with torch.no_grad():
        model.head.classifier.weight[0] = float("inf")
    before = {n: t.clone() for n, t in model.state_dict().items()}
    assert not method.learn().trained
    assert method.updates == 0
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_adapting_twice_is_refused(make_model, frames) -> None:
    method = make_norm_statistics(make_model())
    method.predict(frames[0])
    method.learn()
    with pytest.raises(RuntimeError, match="call predict"):
        method.learn()
