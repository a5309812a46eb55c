"""Parts of the step against numbers recorded from the released code (tests/golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from driftseg.learners.parts.classmix import number_of_classes, paste
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.losses import downsample_labels, feature_distance
from driftseg.replay.sampling import rare_class_probabilities

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hamlet.npz")


def test_number_of_pasted_classes() -> None:
    table = GOLDEN["classmask_counts(nclasses,ratio,chosen)"]
    assert len(table) == 120
    for present, ratio, chosen in table:
        assert number_of_classes(int(present), float(ratio)) == int(chosen)


def test_momentum_of_the_teacher() -> None:
    ours = [momentum(int(step), 0.999) for step in GOLDEN["ema_iters"]]
    np.testing.assert_allclose(ours, GOLDEN["ema_alpha"], rtol=1e-12)


@pytest.mark.parametrize(("scale", "share"), [(8, 0.75), (16, 0.75), (32, 0.75), (32, 0.9)])
def test_labels_in_cells(scale: int, share: float) -> None:
    labels = torch.from_numpy(GOLDEN["downscale_in"].astype(np.int64))[0]
    side = 64 // scale
    ours = downsample_labels(labels, (side, side), least_share=share, ignored_class=19)
    golden = GOLDEN[f"downscale_s{scale}_r{share:g}"][0]
    assert np.array_equal(ours.numpy(), golden)


def test_feature_distance() -> None:
    one, other = (torch.from_numpy(GOLDEN[f"fdist_f{i}"]) for i in (1, 2))
    cells = torch.from_numpy(GOLDEN["fdist_mask"])[0].long()  # class 1 where it is looked at
    labels = cells.repeat_interleave(32, dim=1).repeat_interleave(32, dim=2)
    ours = feature_distance(one, other, labels, classes=torch.tensor([1]), ignored_class=19)
    assert 0.005 * ours.item() == pytest.approx(float(GOLDEN["fdist_value"]), rel=1e-5)


def test_weights_of_a_real_step() -> None:
    """Rows 0 to 14 and the last 120 of 160 are ignored, pasted pixels weigh 1."""
    source = torch.from_numpy(GOLDEN["pwrun_src_label"].astype(np.int64))[0]
    mask = torch.from_numpy(GOLDEN["pwrun_mask"].astype(bool))[0]
    pseudo = torch.from_numpy(GOLDEN["pwrun_teacher_label"].astype(np.int64))
    weights = torch.full((1, 160, 160), float(GOLDEN["pwrun_fraction_ge_threshold"]))
    weights[:, :15] = 0
    weights[:, 160 - 120 :] = 0
    images = torch.zeros(1, 3, 160, 160)
    classes = sorted(int(c) for c in torch.unique(source[mask]))
    mixed = paste(images, source, images, pseudo, weights, classes=classes)
    assert np.array_equal(mixed.labels.numpy(), GOLDEN["pwrun_mixed_label"][0])
    np.testing.assert_allclose(mixed.weights.numpy(), GOLDEN["pwrun_weight"], rtol=1e-6)


@pytest.mark.parametrize(
    ("counts", "kind", "temperature"),
    [("rcs_counts_cityscapes", "cs", 0.01), ("rcs_counts_cityscapes", "cs", 0.1),
     ("rcs_counts_11", "11", 0.01)],
)  # fmt: skip
def test_rare_class_sampling(counts: str, kind: str, temperature: float) -> None:
    ours = rare_class_probabilities(GOLDEN[counts][None], temperature=temperature)
    order = GOLDEN[f"rcs_{kind}_classes_T{temperature:g}"]
    golden = GOLDEN[f"rcs_{kind}_probs_T{temperature:g}"]
    np.testing.assert_allclose(ours[order], golden, rtol=2e-4, atol=1e-7)
