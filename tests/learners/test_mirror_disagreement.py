"""How differently an image and its mirror image are answered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from driftseg.learners.parts.losses import mirror_disagreement


def test_disagreement_of_toy_answers() -> None:
    left = torch.tensor([[[50.0, 0.0]], [[0.0, 50.0]]])[None]  # class 0, then class 1
    assert float(mirror_disagreement(left, left.flip(3))) == pytest.approx(0, abs=1e-6)
    assert float(mirror_disagreement(left, left)) == pytest.approx(1, abs=1e-6)
    one_class = torch.tensor([[[50.0, 50.0]], [[0.0, 0.0]]])[None]
    assert float(mirror_disagreement(one_class, one_class)) == 1
    other_class = one_class.flip(1)  # each answer is one class, with certainty: as far as can be
    assert float(mirror_disagreement(one_class, other_class)) == pytest.approx(1, abs=1e-6)
    unsure = torch.zeros(1, 3, 2, 2)
    assert float(mirror_disagreement(unsure, unsure)) == pytest.approx(0, abs=1e-6)


def test_disagreement_is_the_divergence_written_out() -> None:
    generator = np.random.default_rng(0)
    plain, mirrored = (generator.normal(size=(2, 4, 3, 5)) for _ in range(2))

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(1, keepdims=True)

    wanted = []
    for one, other in zip(softmax(plain), softmax(mirrored)[..., ::-1], strict=True):
        middle = (one + other) / 2
        divergence = (
            (one * np.log(one / middle)).sum(0) + (other * np.log(other / middle)).sum(0)
        ) / 2
        mean = middle.mean((1, 2))
        wanted.append(divergence.mean() / -(mean * np.log(mean)).sum())
    got = mirror_disagreement(torch.from_numpy(plain), torch.from_numpy(mirrored))
    assert float(got) == pytest.approx(np.mean(wanted), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_hardly_matters(dtype) -> None:
    """Sure answers and answers that hardly differ."""
    generator = torch.Generator().manual_seed(0)
    plain = (20 * torch.randn(1, 5, 8, 8, generator=generator)).to(dtype)
    near = (plain.float() + 0.1 * torch.randn(1, 5, 8, 8, generator=generator)).to(dtype).flip(3)
    wanted = float(mirror_disagreement(plain.float(), near.float()))
    assert wanted > 0
    assert float(mirror_disagreement(plain, near)) == pytest.approx(wanted, rel=1e-6)
