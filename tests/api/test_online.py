"""`driftseg.adapt` as its users call it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

import driftseg
from driftseg import InputError
from driftseg.models.segmenter import build_segmenter
from foreign_models import foreign
from tiny_networks import TINY_ENCODER

SIZE = (96, 64)
SMALL = {"replay": {"minimum_share": 0.004}}


@pytest.fixture(scope="module")
def drive():
    town = driftseg.load_dataset("town", seed=2, frames=5, every=9, size=SIZE)
    return [town.scene(number).image for number in range(len(town))]


@pytest.fixture(scope="module")
def source():
    return driftseg.load_dataset("town", seed=1, frames=4, every=20, size=SIZE)


def ours(early_head: bool = True) -> driftseg.Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_segmenter(TINY_ENCODER, classes=11, head_width=16, early_head=early_head)
    return driftseg.load_model(model)


def theirs() -> driftseg.Model:
    return driftseg.load_model(foreign("plain", classes=11), size=(64, 96))


def play(adapter, images) -> list:
    rows = []
    for image in images:
        answer = adapter.predict(image)
        rows.append((answer.label.copy(), answer.mean_confidence, adapter.learn()))
    return rows


def same(one, other) -> bool:
    return all(
        np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(one, other, strict=True)
    )


METHODS = ["source_only", "norm_statistics", "tent", "dacs", "restyled_replay", "replay_only"]
HAMLET = {"detector": {"window": 1, "rise": 0.001, "fall": -0.001, "source_level": 1.0,
                       "far_level": 2.0}, "start_training": True, "costs": "none"}  # fmt: skip


@pytest.mark.parametrize("make", [ours, theirs])
@pytest.mark.parametrize("method", [*METHODS, "hamlet"])
class TestEveryMethodOnEveryModel:
    def adapter(self, make, method: str, source):
        settings = HAMLET if method == "hamlet" else {}
        return driftseg.adapt(make(), method, source=source, **settings, **SMALL)

    def test_saved_and_loaded_it_goes_on_exactly(
        self, make, method: str, source, drive, tmp_path: Path
    ) -> None:
        whole = self.adapter(make, method, source)
        rows = play(whole, drive)
        first, second = (self.adapter(make, method, source) for _ in range(2))
        play(first, drive[:2])
        first.save(tmp_path / "adapted.safetensors")
        assert same(play(second.load(tmp_path / "adapted.safetensors"), drive[2:]), rows[2:])
        assert second.state().frames == 5
        assert second.state().updates == whole.state().updates == (method != "source_only") * 5

    def test_reset_begins_anew(self, make, method: str, source, drive) -> None:
        adapter = self.adapter(make, method, source)
        rows = play(adapter, drive[:3])
        adapter.reset()
        assert adapter.state() == driftseg.State()
        assert same(play(adapter, drive[:3]), rows)

    def test_merged_it_is_a_plain_model(self, make, method: str, source, drive) -> None:
        adapter = self.adapter(make, method, source)
        play(adapter, drive[:3])
        answer = adapter.predict(drive[3])
        plain = driftseg.adapt(adapter.merge(), "source_only")
        assert np.array_equal(plain.predict(drive[3]).label, answer.label)
        before = {n: t.clone() for n, t in adapter.model.module.state_dict().items()}
        with torch.no_grad():
            for parameter in plain.model.module.parameters():
                parameter.zero_()
        after = adapter.model.module.state_dict()
        assert all(torch.equal(t, after[n]) for n, t in before.items())


class TestAnswers:
    def test_what_an_answer_holds(self, drive) -> None:
        answer = driftseg.adapt(ours(), "source_only").predict(drive[0])
        assert answer.label.shape == answer.confidence.shape == (64, 96)
        assert answer.label.dtype == np.uint8
        assert ((answer.confidence > 0) & (answer.confidence <= 1)).all()
        assert answer.classes == tuple(f"class {n}" for n in range(11))
        assert answer.paint().shape == (64, 96, 3)

    def test_images_in_every_form_are_the_same_image(self, drive, tmp_path: Path) -> None:
        adapter = driftseg.adapt(ours(), "source_only")
        image = drive[0]
        path = tmp_path / "image.png"
        PillowImage.fromarray(image).save(path)
        wanted = adapter.predict(image).label
        tensor = torch.from_numpy(image)
        for given in (
            PillowImage.fromarray(image), path, str(path), tensor, tensor.permute(2, 0, 1),
            tensor.permute(2, 0, 1).float() / 255, image.astype(np.float64) / 255,
        ):  # fmt: skip
            assert np.array_equal(adapter.predict(given).label, wanted)
        coarse = (image // 128 * 255).astype(np.uint8)  # 0 and 1 are exact in 16 bits
        short = torch.from_numpy(coarse).bfloat16() / 255
        assert np.array_equal(adapter.predict(short).label, adapter.predict(coarse).label)

    def test_a_batch_is_answered_whole_before_it_is_learnt_from(self, drive) -> None:
        one = driftseg.adapt(ours(), "tent", learning_rate=1e-3)
        answers = one.predict(drive[:3])
        fresh = driftseg.adapt(ours(), "source_only")
        assert all(
            np.array_equal(a.label, fresh.predict(image).label)
            for a, image in zip(answers, drive, strict=False)
        )
        one.learn()
        assert one.state().updates == 3
        other = driftseg.adapt(ours(), "tent", learning_rate=1e-3)
        play(other, drive[:3])
        batch = torch.from_numpy(np.stack(drive[:2])).permute(0, 3, 1, 2)
        for a, b in zip(one.predict(batch), other.predict(list(drive[:2])), strict=True):
            assert np.array_equal(a.label, b.label)

    def test_state_can_be_read_while_another_thread_works(self, source, drive) -> None:
        adapter = driftseg.adapt(ours(), "restyled_replay", source=source, **SMALL)
        seen, stop = [], threading.Event()

        def watch() -> None:
            while not stop.is_set():
                seen.append(adapter.state())

        watcher = threading.Thread(target=watch)
        watcher.start()
        play(adapter, drive)
        stop.set()
        watcher.join()
        frames = [state.frames for state in seen]
        assert frames == sorted(frames)
        assert adapter.state().frames == adapter.state().updates == 5
        assert adapter.state().learns == (
            "encoder.stage1", "encoder.stage2", "encoder.stage3", "encoder.stage4", "head"
        )  # fmt: skip

    def test_learning_can_be_skipped(self, drive) -> None:
        adapter = driftseg.adapt(ours(), "tent")
        for image in drive[:3]:
            adapter.predict(image)
        adapter.learn()
        assert adapter.state().updates == 1
        with pytest.raises(RuntimeError, match="call predict"):
            adapter.learn()


class TestSource:
    def test_a_handful_of_labelled_images(self, source, drive, tmp_path: Path) -> None:
        """As arrays, or as files."""
        scenes = [source.scene(number) for number in range(3)]
        pairs, files = [], []
        for number, scene in enumerate(scenes):
            pairs.append((scene.image, scene.label))
            names = (tmp_path / f"{number}.png", tmp_path / f"{number}_label.png")
            for array, name in zip((scene.image, scene.label), names, strict=True):
                PillowImage.fromarray(array).save(name)
            files.append(names)
        rows = [
            play(driftseg.adapt(ours(), "restyled_replay", source=given, **SMALL), drive[:2])
            for given in (pairs, files)
        ]
        assert same(*rows)

    @pytest.mark.parametrize("method", ["restyled_replay", "dacs"])
    def test_frames_larger_than_the_source_are_learnt_from_in_windows(
        self, method: str, source
    ) -> None:
        wide = driftseg.load_dataset("town", seed=2, frames=2, size=(160, 96))
        adapter = driftseg.adapt(ours(), method, source=source, **SMALL)
        for number in range(2):
            assert adapter.predict(wide.scene(number).image).label.shape == (96, 160)
            assert adapter.learn().trained

    def test_crop_is_of_both(self, source, drive) -> None:
        adapter = driftseg.adapt(ours(), "dacs", source=source, crop=(64, 48), **SMALL)
        assert play(adapter, drive[:2])[1][2].trained


class TestAdapters:
    def test_on_layers_of_any_model(self, source, drive) -> None:
        """They begin as nothing, learn alone, and low-rank ones merge into their layers."""
        before = driftseg.adapt(theirs(), "source_only").predict(drive[0]).label
        model = theirs()
        frozen = {n: t.clone() for n, t in model.module.state_dict().items()}
        adapter = driftseg.adapt(
            model, "restyled_replay", source=source, train=["adapters"], learning_rate=0.01,
            adapters={"kind": "lora", "at": ["first", "second"], "rank": 2}, **SMALL,
        )  # fmt: skip
        assert np.array_equal(adapter.predict(drive[0]).label, before)
        play(adapter, drive)
        now = model.module.state_dict()
        assert all(torch.equal(now[n], t) for n, t in frozen.items())
        answer = adapter.predict(drive[1])
        plain = adapter.merge()
        assert set(plain.module.state_dict()) == set(frozen)
        assert any(not torch.equal(plain.module.state_dict()[n], t) for n, t in frozen.items())
        merged = driftseg.adapt(plain, "source_only").predict(drive[1])
        assert (merged.label == answer.label).mean() > 0.999
        assert np.allclose(merged.confidence, answer.confidence, atol=1e-4)

    def test_convolutional_ones(self, source, drive) -> None:
        adapter = driftseg.adapt(
            theirs(), "restyled_replay", source=source, train=["adapters"],
            adapters={"kind": "convolution", "at": ["first"]}, **SMALL,
        )  # fmt: skip
        play(adapter, drive[:2])
        assert adapter.state().updates == 2
        assert adapter.state().learns == ("network",)


class TestRefused:
    @pytest.mark.parametrize(
        ("method", "settings", "message"),
        [
            ("dac", {}, "got 'dac'.*dacs, hamlet, replay_only, .*, lae, bank, composed, or"),
            ("tent", {"learning_rat": 1}, r"you mean 'method\.learning_rate"),
            ("tent", {"learning_rate": -1}, "method.learning_rate: .*greater than 0"),
            ("dacs", {}, r"method dacs: expected labelled source scenes, got none.*give"),
            ("tent", {"seed": -1}, "seed: .*greater than or equal to 0"),
            ("gone_module:Method", {}, "installed module, got gone_module, which is not found"),
            (
                "restyled_replay",
                {"train": ["neck"], "source": "town"},
                "train: expected a part of this model, got 'neck'",
            ),
            ("dacs", {"source": 3}, r"source: expected a dataset or \(image, label\) pairs, got 3"),
            ("dacs", {"source": [1, 2]}, r"expected pairs \(image, label\), got something else"),
            ("dacs", {"source": []}, "as labels and at least one, got 0 images and 0 labels"),
        ],
    )
    def test_settings(self, method: str, settings: dict, message: str, source) -> None:
        if settings.get("source") == "town":
            settings = {**settings, "source": source}
        with pytest.raises(InputError, match=message) as caught:
            driftseg.adapt(ours(), method, **settings)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((4, 5, 7), np.uint8), r"RGB of shape \(height, width, 3\), got \(4, 5, 7\)"),
            (np.zeros((64, 96, 3), np.int64), r"expected uint8, or floats in \[0, 1\], got int64"),
            (np.full((64, 96, 3), 7.0), "before they are normalised"),
            ("gone.png", r"gone\.png"),
        ],
    )
    def test_images(self, image, message: str) -> None:
        with pytest.raises(InputError, match=message):
            driftseg.adapt(ours(), "source_only").predict(image)

    def test_states_of_something_else(self, source, drive, tmp_path: Path) -> None:
        adapter = driftseg.adapt(ours(), "tent")
        with pytest.raises(
            RuntimeError,
            match="expected at least one prediction before "
            r"save\(\), got none",
        ):
            adapter.save(tmp_path / "x.safetensors")
        with pytest.raises(
            InputError,
            match=r"expected a file that save\(\) wrote, got a path "
            "where there is none",
        ):
            adapter.load(tmp_path / "x.safetensors")
        play(adapter, drive[:1])
        adapter.save(tmp_path / "x.safetensors")
        other = driftseg.adapt(ours(), "tent", learning_rate=0.5)
        with pytest.raises(
            InputError,
            match="expected a file saved with the same settings, got other values of method",
        ):
            other.load(tmp_path / "x.safetensors")
        (tmp_path / "x.safetensors").write_bytes(b"abc")
        with pytest.raises(
            InputError,
            match="expected a readable safetensors file, got an "
            r"error \(Error while deserializing header: "
            r"header too small\)",
        ):
            adapter.load(tmp_path / "x.safetensors")

    def test_a_source_of_other_classes(self, drive) -> None:
        model = driftseg.load_model(foreign("plain", classes=5), size=(64, 96))
        pair = (drive[0], np.full((64, 96), 7, np.uint8))
        wanted = r"source 0: expected label ids 0\.\.4 or 255 \(ignore\), got id 7 \(6144 pixels\)"
        with pytest.raises(InputError, match=wanted):
            driftseg.adapt(model, "dacs", source=[pair])
        town = driftseg.load_dataset("town", frames=1, size=SIZE)
        with pytest.raises(
            InputError,
            match="source: expected labels in the 5 classes of the model, got 11 classes",
        ):
            driftseg.adapt(model, "dacs", source=town)


def test_of_a_large_source_only_a_part_is_read(drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftseg.api.held.HELD_BYTES", 3 * 4 * SIZE[0] * SIZE[1])
    monkeypatch.setattr("driftseg.api.held.LEAST_HELD", 1)
    town = driftseg.load_dataset("town", seed=1, frames=9, every=20, size=SIZE)
    read = []
    plain = town.scene
    town.scene = lambda index: read.append(index) or plain(index)
    adapter = driftseg.adapt(ours(), "replay_only", source=town, **SMALL)
    play(adapter, drive[:1])
    assert set(read) == {0, 3, 6}
    read.clear()
    whole = driftseg.adapt(ours(), "replay_only", source=town,
                           replay={"minimum_share": 0.004, "capacity": 9})  # fmt: skip
    play(whole, drive[:1])
    assert set(read) == set(range(9))
