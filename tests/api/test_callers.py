"""Whoever calls `driftseg.adapt`: under what torch settings, twice, with what images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

import driftseg
from driftseg import InputError
from foreign_models import foreign

SIZE = (96, 64)
SMALL = {"replay": {"minimum_share": 0.004}}


@pytest.fixture(scope="module")
def town():
    return driftseg.load_dataset("town", seed=1, frames=4, every=20, size=SIZE)


def model() -> driftseg.Model:
    return driftseg.load_model(foreign("plain", classes=11), size=(64, 96))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ["tent", "dacs", "norm_statistics"])
def test_learns_the_same_whatever_the_caller_has_turned_off(context, method, town) -> None:
    settings = SMALL if method == "dacs" else {}
    found = []
    for outside in (torch.enable_grad, context):
        adapter = driftseg.adapt(model(), method, source=town, seed=0, **settings)
        for number in range(3):
            with outside():
                answer = adapter.predict(town.scene(number).image)
                if number:
                    adapter.learn()
            if not number:
                adapter.learn()
        assert np.isfinite(answer.confidence).all()
        found.append(adapter.model.module.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_model_learns_for_one_caller_at_a_time(town, tmp_path: Path) -> None:
    shared, image = model(), town.scene(0).image
    first = driftseg.adapt(shared, "dacs", source=town, **SMALL)
    first.predict(image)
    second = driftseg.adapt(shared, "tent")
    first.learn()
    second.predict(image)
    for call in (lambda: first.predict(image), first.reset, lambda: first.save(tmp_path / "a")):
        with pytest.raises(
            InputError,
            match=r"expected a model that only this adapt\(\) uses, "
            r"got one that was given to another adapt\(\) "
            r"later.*load_model again",
        ):
            call()
    second.learn()
    assert second.state().updates == 1


def test_a_second_adapt_with_adapters_is_refused_in_one_line(town) -> None:
    bundled = driftseg.load_model()
    settings = {"source": town, "adapters": {"kind": "convolution"}, "train": ["adapters"]}
    driftseg.adapt(bundled, "restyled_replay", **settings)
    with pytest.raises(
        InputError, match="adapters: expected a model without adapters, got one with convolution"
    ):
        driftseg.adapt(bundled, "restyled_replay", **settings)


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_pictures_of_more_than_eight_bits_are_not_cut_off(mode: str) -> None:
    kind = np.uint16 if mode == "I;16" else np.float32
    picture = PillowImage.fromarray(np.full((64, 96), 300, dtype=kind))
    with pytest.raises(
        InputError,
        match="image: expected 8 bits a channel, got grey of 16 "
        r"bits or more \(mode",
    ):
        driftseg.adapt(model(), "tent").predict(picture)


def test_pairs_may_come_from_zip(town) -> None:
    scenes = [town.scene(number) for number in range(2)]
    pairs = zip([s.image for s in scenes], [s.label for s in scenes], strict=True)
    adapter = driftseg.adapt(model(), "dacs", source=pairs, **SMALL)
    adapter.predict(scenes[0].image)
    assert adapter.learn().trained


def test_arguments_that_cannot_be_meant(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="adapt: expected a method's name or its section, got None"
    ):
        driftseg.adapt(model(), None)
    with pytest.raises(InputError, match=r"frames: expected size as \(width, height\), got 96"):
        driftseg.frames(tmp_path, size=96)
    (tmp_path / "list.txt").write_text("one.png\n" * 9)
    with pytest.raises(
        InputError,
        match="expected a video that OpenCV can open, got a "
        "damaged file, another file or an unknown coding",
    ):
        driftseg.frames(tmp_path / "list.txt")


def test_a_detector_without_levels_is_refused_at_once(town) -> None:
    for method in ({"name": "hamlet"}, {"name": "bank", "learner": {"name": "dacs"}}):
        with pytest.raises(InputError, match=f"method {method['name']}: .* give calibration="):
            driftseg.adapt(model(), method, source=town)
    with pytest.raises(
        InputError,
        match=r"calibration: expected a dataset or \(image, label\) "
        "pairs, got 3",
    ):
        driftseg.adapt(model(), "hamlet", source=town, calibration=3)


def test_what_lae_leaves_out_of_a_plain_model_is_said(town) -> None:
    learner = {"name": "restyled_replay", "train": ["adapters"]}
    adapter = driftseg.adapt(
        model(), "lae", source=town, learner=learner, detector=None,
        adapters={"kind": "lora", "rank": 2, "at": ["first"]}, **SMALL,
    )  # fmt: skip
    adapter.predict(town.scene(0).image)
    assert any("the student alone" in note for note in adapter.merge().notes)


def test_what_was_saved_goes_on_over_the_same_weights_alone(town, tmp_path: Path) -> None:
    image = town.scene(0).image
    adapter = driftseg.adapt(model(), "tent")
    adapter.predict(image)
    adapter.learn()
    adapter.save(tmp_path / "saved.safetensors")
    assert driftseg.adapt(model(), "tent").load(tmp_path / "saved.safetensors").state().updates == 1
    other = model()
    with torch.no_grad():
        other.module.first.weight.add_(1)
    with pytest.raises(
        InputError,
        match="expected a file saved from the same model, got "
        r"other weights in its fixed parts.*load",
    ):
        driftseg.adapt(other, "tent").load(tmp_path / "saved.safetensors")
