"""Outputs are classes by name: put into order, dropped, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from weight_files import NAMES, State, draw, fresh, save_ours

from driftseg.errors import InputError
from driftseg.labels import CAMVID11, CITYSCAPES19, IDD_LITE7, LabelSpace
from driftseg.models.checkpoints import (
    CheckpointInfo,
    check_named,
    digest,
    open_checkpoint,
    order_classes,
    tell_classes,
)
from driftseg.models.checkpoints.classes import is_generic, order_head, preset_of
from driftseg.models.segmenter import Segmenter


def opened(tmp_path: Path, names: tuple[str, ...]) -> tuple[Segmenter, CheckpointInfo]:
    model = fresh(classes=len(names))
    draw(model.state_dict(), seed=8)
    space = preset_of(names)
    save_ours(tmp_path / "a.safetensors", model, classes=names,
              label_space=space.name if space else "own")  # fmt: skip
    return open_checkpoint(tmp_path / "a.safetensors")


def early(model: Segmenter, images: Tensor) -> Tensor:
    assert model.early_head is not None
    result: Tensor = model.early_head([model.encoder.stage(0, model.start(images).x)])
    return result


@torch.no_grad()
def test_another_order_is_put_right_in_both_heads(tmp_path: Path, images: Tensor) -> None:
    shuffled = tuple(reversed(CAMVID11.classes))
    model, info = opened(tmp_path, shuffled)
    before, before_early = model(images), early(model, images)
    now = order_classes(model, info, CAMVID11)
    assert_close(model(images), before.flip(1))
    assert_close(early(model, images), before_early.flip(1))
    assert (now.classes, now.label_space) == (CAMVID11.classes, "camvid11")
    assert now.digest == digest(model) != info.digest
    assert now.notes == (
        "the checkpoint's classes stand in another order; its outputs were put into the order "
        "wanted (output 0 is now 'sky', it was 'bicyclist')",
    )
    assert order_classes(model, now, CAMVID11) == now


def test_a_preset_is_found_without_a_target(tmp_path: Path) -> None:
    model, info = opened(tmp_path, tuple(reversed(CAMVID11.classes)))
    now = order_classes(model, info, None)
    assert now.label_space == "camvid11"
    assert len(now.notes) == 1


def test_spelling_is_no_difference(tmp_path: Path) -> None:
    names = tuple(name.upper().replace(" ", "_") for name in CITYSCAPES19.classes)
    model, info = opened(tmp_path, names)
    weight = model.head.classifier.weight.clone()
    now = order_classes(model, info, CITYSCAPES19)
    assert (now.classes, now.notes) == (CITYSCAPES19.classes, ())
    assert torch.equal(model.head.classifier.weight, weight)
    assert preset_of(("Road Side-Objects",)) is None
    assert preset_of([name.title() for name in IDD_LITE7.classes]) is IDD_LITE7


def test_other_classes_stay_and_are_told(tmp_path: Path) -> None:
    model, info = opened(tmp_path, (*CAMVID11.classes[:9], "rider", "Void"))
    assert order_classes(model, info, CAMVID11) == info
    text = tell_classes(info, CAMVID11)
    assert text == (
        f"checkpoint {info.path}: expected the classes of the target, 11 of camvid11, got 11 own "
        f"classes ({', '.join(info.classes[:8])} and 3 more); only the checkpoint has rider, Void; "
        "the checkpoint lacks pedestrian, bicyclist. To fix: set target.label_space to read its "
        "labels in the model's, or score_in to score in the target's (with mapping, where no "
        "mapping is known); ignore_outputs=[Void] drops 'Void', which is no class"
    )
    with pytest.raises(
        InputError,
        match="expected a head whose outputs can be reordered to "
        r"the other classes, got one that cannot \(only the "
        r"checkpoint.*score",
    ):
        order_head(model, info.classes, CAMVID11.classes)


def test_a_class_twice_is_no_order(tmp_path: Path) -> None:
    space = LabelSpace("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))
    model, info = opened(tmp_path, ("a", "A"))
    assert order_classes(model, info, space) == info
    assert "the checkpoint has a more than once" in tell_classes(info, space)


def test_unknown_classes_are_not_guessed(tmp_path: Path) -> None:
    model, info = opened(tmp_path, CAMVID11.classes)
    info = replace(info, classes_known=False)
    assert order_classes(model, info, CAMVID11) == info
    with pytest.raises(
        InputError,
        match="expected names of its 11 classes, got none in the "
        r"file.*set classes to their",
    ):
        check_named(info)


@pytest.mark.parametrize(
    ("names", "generic"),
    [
        (("LABEL_0", "LABEL_1"), True),
        (("0", "1"), True),
        (("class 1", "Class-2"), True),
        (("LABEL_0", "road"), False),
        (("lane 1", "lane 2"), False),
    ],
)
def test_generic_names(names: tuple[str, ...], generic: bool) -> None:
    assert is_generic(names) is generic


@torch.no_grad()
@pytest.mark.parametrize("output", ["void", "VOID", 0])
def test_outputs_of_no_class_are_never_answered(
    output: str | int, tmp_path: Path, images: Tensor
) -> None:
    names = ("void", *CAMVID11.classes)
    model, _ = opened(tmp_path, names)
    before, before_early = model(images), early(model, images)
    model, info = open_checkpoint(tmp_path / "a.safetensors", ignore_outputs=(output,))
    assert_close(model(images), before[:, 1:])
    assert_close(early(model, images), before_early[:, 1:])
    assert (model.head.classes, info.classes) == (11, CAMVID11.classes)
    assert (info.label_space, info.digest) == ("camvid11", digest(model))
    assert info.notes == (
        "outputs that stand for no class were dropped and are never answered: 0 (void)",
    )


def test_names_are_given_with_the_ignored_outputs_or_without(nvlabs: State, tmp_path: Path) -> None:
    """The file names none, so the ignored output can be told by number alone."""
    torch.save(nvlabs, tmp_path / "a.pth")
    left = (*NAMES[:2], *NAMES[3:])
    found = [
        open_checkpoint(tmp_path / "a.pth", classes=names, ignore_outputs=(2,))
        for names in (NAMES, left)
    ]
    assert [info.classes for _, info in found] == [left, left]
    assert found[0][1].digest == found[1][1].digest
    with pytest.raises(InputError, match=r"classes: expected 4 names, .*, got 3\."):
        open_checkpoint(tmp_path / "a.pth", classes=left[:3], ignore_outputs=(2,))


def test_colours_follow_their_classes(nvlabs: State, tmp_path: Path) -> None:
    meta = {"CLASSES": NAMES, "PALETTE": [[i, i, i] for i in range(5)]}
    torch.save({"state_dict": nvlabs, "meta": meta}, tmp_path / "a.pth")
    _, info = open_checkpoint(tmp_path / "a.pth", ignore_outputs=("tree", 0))
    assert info.classes == ("building", "car", "sky")
    assert info.colours == ((1, 1, 1), (3, 3, 3), (4, 4, 4))


def test_torch_is_left_as_it_was_and_so_is_what_learns(tmp_path: Path) -> None:
    model, info = opened(tmp_path, tuple(reversed(CAMVID11.classes)))
    model.head.classifier.requires_grad_(False)
    before = torch.random.get_rng_state()
    order_classes(model, info, CAMVID11)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not model.head.classifier.weight.requires_grad
    assert model.early_head is not None
    assert model.early_head.classifier.weight.requires_grad
