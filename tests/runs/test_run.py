"""Whole runs: what they leave behind, and what they do not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from whole_runs import ADAPTERS, METHOD_SETTINGS, play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.labels import CITYSCAPES19
from driftseg.methods.table import METHODS
from driftseg.models.checkpoints import load_checkpoint, save_checkpoint
from driftseg.models.segmenter import build_segmenter
from driftseg.runs.build import build
from driftseg.runs.loop import Moment, score_domains
from driftseg.runs.record import plain, read_run
from driftseg.runs.run import run
from driftseg.town.scenes import TownScenes
from driftseg.weather.render import RENDERER
from tiny_runs import tiny_values

FRAME_COLUMNS = {
    "index", "visit", "domain", "name", "labelled", "intersection", "union", "confidence",
    "entropy", "trained", "losses", "learning_rate", "signal", "event",
    "detector", "plan", "bank", "guard", "predict_ms", "adapt_ms", "diagnostics",
}  # fmt: skip


ANSWER_IN_THEIR_OWN_WAY = ("alpha_bn", "auto", "cotta", "roid")
"""By the frame's own statistics, averages over views, or a corrected prior, from the first on."""


@pytest.fixture(scope="module")
def every(tiny_checkpoint, tmp_path_factory) -> list:
    """A run of every method; they are only looked at, so one of each will do."""
    values = tiny_values(tiny_checkpoint, tmp_path_factory.mktemp("every") / "runs")
    return [
        play(values, method=METHOD_SETTINGS.get(name, {"name": name}), adapters=ADAPTERS.get(name))
        for name in METHODS
    ]


def test_columns_are_the_same_for_every_method(every) -> None:
    for done in every:
        assert len(done.frames) == 6
        assert all(set(row) == FRAME_COLUMNS for row in done.frames)
        keys = [(r["after_visit"], r["after_domain"], r["domain"], r["head"])
                for r in done.evaluations]  # fmt: skip
        assert keys == [(r["after_visit"], r["after_domain"], r["domain"], r["head"])
                        for r in every[0].evaluations]  # fmt: skip
        assert keys == [
            (after, name, domain, head)
            for after, name in ((-1, "start"), (0, "clear"), (1, "wet"), (2, "clear"))
            for domain in ("clear", "wet") for head in ("main", "early")
        ]  # fmt: skip
        columns = {frozenset(row) for row in done.evaluations}
        assert len(columns) == 1


def test_what_a_run_leaves_behind(every) -> None:
    done = every[[*METHODS].index("dacs")]
    name = r"\d{6}_\d{4}_town2tiny_dacs_mlp_tiny_networks-tiny_mit_s0_[0-9a-f]{5}"
    assert re.fullmatch(name, done.path.name)
    assert {p.name for p in done.path.iterdir()} == {
        "config.yaml", "environment.json", "schedule.json", "frames.jsonl", "evaluations.jsonl",
        "pictures", "status.json",
    }  # fmt: skip
    assert done.environment["threads"] == 1
    assert len(done.environment["weights_digest"]) == 12
    assert any("exact depth" in note for note in done.environment["notes"])
    assert any("none of them is in the stream" in note for note in done.environment["notes"])
    assert [v["direction"] for v in done.visits] == ["forward", "forward", "backward"]
    shown = np.asarray(Image.open(done.picture(1, "wet", 0, "input")))
    assert shown.shape == (64, 96, 3)
    assert check(done.config, RunConfig, where="config.yaml").name == "tiny"


def test_the_record_is_the_truth(tiny_run, tiny_checkpoint) -> None:
    """Counts of the first frame, computed anew from the checkpoint and the frame."""
    done = play(tiny_run)
    model, _ = load_checkpoint(tiny_checkpoint)
    scene = TownScenes(seed=2, frames=8, every=5, size=(96, 64)).scene(0)
    x = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        logits = torch.nn.functional.interpolate(model(x), (64, 96), mode="bilinear")
    score = Score(11)
    score.add(logits[0].argmax(0).to(torch.uint8).numpy(), scene.label)
    assert done.frames[0]["intersection"] == score.intersection.tolist()
    assert done.frames[0]["union"] == score.union.tolist()


def test_unmoved_weights_reuse_scores_exactly(every) -> None:
    source_only, *adapting = every
    reused = [row["reused"] for row in source_only.evaluations]
    assert reused == [False] * 4 + [True] * 12
    first, last = source_only.evaluations[:4], source_only.evaluations[-4:]
    assert [r["mean_iou"] for r in first] == [r["mean_iou"] for r in last]
    always = [done for done in adapting if all(row["trained"] for row in done.frames)]
    assert {done.method for done in always} >= {
        "tent",
        "dacs",
        "restyled_replay",
        "norm_statistics",
    }
    for done in always:  # others may have learnt nothing in a visit
        assert not any(row["reused"] for row in done.evaluations)
    for done in adapting:  # before the first frame all methods are the source model
        if done.method not in ANSWER_IN_THEIR_OWN_WAY:
            assert [r["iou"] for r in done.evaluations[:4]] == [r["iou"] for r in first]


def test_same_seed_same_record_other_seed_another(tiny_run) -> None:
    def numbers(done) -> list:
        return [(r["intersection"], r["losses"], r["confidence"]) for r in done.frames]

    one, two = play(tiny_run), play(tiny_run)
    assert one.environment["renderer"] == RENDERER
    assert numbers(one) == numbers(two)
    assert one.path != two.path  # nothing is overwritten
    assert numbers(play(tiny_run, seed=1)) != numbers(one)


def test_the_bundled_model_knows_town_and_suffers_in_rain(tiny_run) -> None:
    size = [256, 192]
    town = {"kind": "town", "seed": 31, "frames": 8, "every": 61, "size": size}
    values = {
        **tiny_run, "checkpoint": None, "method": {"name": "source_only"}, "source": None,
        "target": town, "evaluation": town,
        "schedule": [{"name": "clear", "frames": 1}, {"name": "storm", "rain": 200, "frames": 1}],
    }  # fmt: skip
    parts = build(check(values, RunConfig, where="test"))
    rows = score_domains(parts, lambda moment: None)
    clear, storm = (row["mean_iou"] for row in rows if row["head"] == "main")
    assert clear > 60
    assert storm < clear - 8


def test_watching(tiny_run) -> None:
    seen: list[Moment] = []
    run(check(tiny_run, RunConfig, where="test"), seen.append)
    stream = [m for m in seen if m.doing == "stream"]
    assert [m.frame for m in stream] == [1, 2, 3, 4, 5, 6]
    assert all(m.frames == 6 and m.trained and m.mean_iou is not None for m in stream)


def test_unlabelled_folder_runs_without_scores(tiny_run, tmp_path: Path) -> None:
    scenes = TownScenes(seed=2, frames=3, size=(96, 64))
    (tmp_path / "mine").mkdir()
    for i in range(3):
        Image.fromarray(scenes.scene(i).image).save(tmp_path / "mine" / f"{i}.png")
    done = play(
        tiny_run, target={"kind": "folder", "root": str(tmp_path / "mine")}, evaluation=None,
        source=None, method={"name": "tent"}, schedule=[{"name": "here"}],
    )  # fmt: skip
    assert len(done.frames) == 3
    assert done.evaluations == []
    assert not any(row["labelled"] for row in done.frames)
    assert done.picture(0, "here", 0, "truth") is None
    assert any("no held-out frames" in note for note in done.environment["notes"])


@pytest.mark.parametrize("names", [CITYSCAPES19.classes, ("lane", "other")])
def test_an_unlabelled_folder_has_the_model_s_classes(tiny_run, tmp_path: Path, names) -> None:
    """Nothing is compared with a label, so nothing has to be stated."""
    scenes = TownScenes(seed=2, frames=2, size=(96, 64))
    (tmp_path / "mine").mkdir()
    for i in range(2):
        Image.fromarray(scenes.scene(i).image).save(tmp_path / "mine" / f"{i}.png")
    model = build_segmenter("mit_b0", classes=len(names), head_width=32)
    preset = names == CITYSCAPES19.classes
    save_checkpoint(
        tmp_path / "m.safetensors", model, encoder="mit_b0", head_width=32, classes=names,
        label_space="cityscapes19" if preset else "own",
        colours=() if preset else ((10, 20, 30), (40, 50, 60)),
    )  # fmt: skip
    values = tiny_run | {
        "checkpoint": str(tmp_path / "m.safetensors"), "evaluation": None, "source": None,
        "target": {"kind": "folder", "root": str(tmp_path / "mine")}, "method": {"name": "tent"},
        "schedule": [{"name": "here"}],
    }  # fmt: skip
    parts = build(check(values, RunConfig, where="test"))
    try:
        assert parts.label_space.classes == tuple(names)
        if not preset:
            assert parts.label_space.colours == ((10, 20, 30), (40, 50, 60))
    finally:
        parts.data.close()
    with pytest.raises(InputError, match="camvid11"):
        play(values, target=values["target"] | {"classes": "camvid11"})


class TestBadInput:
    """One clear line, and nothing half-written."""

    def refuse(self, values: dict, message: str, *, recorded: int = 0, **changes) -> None:
        """``recorded`` frames before what stops the run stay."""
        with pytest.raises(InputError, match=message) as caught:
            play(values, **changes)
        assert "\n" not in str(caught.value)
        out = Path(values["out"])
        folders = list(out.iterdir()) if out.exists() else []
        assert [len(read_run(folder).frames) for folder in folders] == [recorded][: recorded > 0]

    def test_missing_folder(self, tiny_run) -> None:
        self.refuse(tiny_run, "/nowhere: expected a folder, got a path where there is none",
                    target={"kind": "folder", "root": "/nowhere"})  # fmt: skip

    def test_empty_schedule(self, tiny_run) -> None:
        self.refuse(tiny_run, "schedule: expected at least one domain, got none", schedule=[])

    def test_missing_checkpoint(self, tiny_run) -> None:
        self.refuse(tiny_run, r"gone\.safetensors: expected .* make it with driftseg train, or set",
                    checkpoint="gone.safetensors")  # fmt: skip

    def test_checkpoint_of_another_architecture(self, tiny_run) -> None:
        self.refuse(tiny_run, "expected the encoder efficientnet_lite0, .*, got tiny_networks:t",
                    model={"encoder": "efficientnet_lite0"})  # fmt: skip

    def test_checkpoint_of_other_classes(self, tiny_run, tmp_path: Path) -> None:
        path = tmp_path / "other.safetensors"
        model = build_segmenter("mit_b0", classes=2, head_width=16)
        save_checkpoint(path, model, encoder="mit_b0", head_width=16, label_space="two",
                        classes=("a", "b"))  # fmt: skip
        self.refuse(tiny_run, "expected the classes of the target, 11 of camvid11, got 2 "
"classes of two; only the checkpoint has a, b; the",
                    checkpoint=str(path))  # fmt: skip

    def test_dacs_without_a_source(self, tiny_run) -> None:
        self.refuse(tiny_run, "method dacs: expected labelled source scenes, got", source=None)

    def test_unknown_home(self, tiny_run) -> None:
        self.refuse(tiny_run, "a domain with held-out frames, got 'dusk'.* one of clear, wet",
                    home="dusk")  # fmt: skip

    def test_source_smaller_than_the_frames(self, tiny_run) -> None:
        small = {**tiny_run["source"], "size": [64, 64]}
        self.refuse(tiny_run, "scenes of at least the frames' size 96x64, got 64x64",
                    source=small)  # fmt: skip

    def test_rows_ignored_altogether(self, tiny_run) -> None:
        self.refuse(tiny_run, r"method\.ignored_rows: expected below 64 rows, got 40, 30",
                    method={"name": "dacs", "ignored_rows": [40, 30]})  # fmt: skip

    def test_a_run_that_diverges_says_so_and_goes_on(self, tiny_run) -> None:
        with pytest.warns(RuntimeWarning, match="training pauses until 25 frames later"):
            done = play(tiny_run, method={"name": "dacs", "learning_rate": 1e30})
        reasons = [None if row["plan"] is None else row["plan"]["skipped"] for row in done.frames]
        assert reasons == [None, "not finite", "not finite", "not finite", "paused", "paused"]
        assert [row["trained"] for row in done.frames] == [True] + [False] * 5
        note = "3 steps were not made, for their loss was not finite: lower method.learning_rate"
        assert any(told.startswith(note) for told in done.environment["notes"])

    def test_no_such_device(self, tiny_run) -> None:
        self.refuse(tiny_run, "a device that this machine has, got 'abacus' ", device="abacus")

    def test_corrupt_frame_is_skipped_counted_and_reported(self, tiny_run, tmp_path) -> None:
        values = self.folder_run(tiny_run, tmp_path, broken=[3])
        done = play(values, corrupt_share=0.2)
        assert len(done.frames) == 5
        assert any(note.startswith("1 of 6 frames could not be read")
                   for note in done.environment["notes"])  # fmt: skip
        assert any(
            "3.png: expected an image that can be decoded" in note
            for note in done.environment["notes"]
        )

    def test_too_many_corrupt_frames_stop_the_run(self, tiny_run, tmp_path) -> None:
        values = self.folder_run(tiny_run, tmp_path, broken=[3, 4])
        message = r"unreadable, got 2 of 6; the last: .*4\.png: exp"
        self.refuse(values, message, corrupt_share=0.2, recorded=3)

    @pytest.mark.parametrize(
        ("label", "message"),
        [
            (
                np.zeros((8, 8), np.uint8),
                r"4\.png: expected a label of its image's size 96x64, got 8x8",
            ),
            (np.full((64, 96), 77, np.uint8), r"4\.png: expected label ids 0\.\.10 or .* id 77"),
        ],
    )
    def test_labels_that_do_not_fit_stop_the_run(self, label, message, tiny_run, tmp_path) -> None:
        values = self.folder_run(tiny_run, tmp_path, broken=[])
        (tmp_path / "ids").mkdir()
        for i in range(6):
            good = np.zeros((64, 96), np.uint8)
            Image.fromarray(label if i == 4 else good).save(tmp_path / "ids" / f"{i}.png")
        target = {**values["target"], "labels": str(tmp_path / "ids")}
        self.refuse(values, message, target=target, corrupt_share=1.0, recorded=4)

    def folder_run(self, values: dict, tmp_path: Path, broken: list[int]) -> dict:
        scenes = TownScenes(seed=2, frames=6, size=(96, 64))
        folder = tmp_path / "mine"
        folder.mkdir()
        for i in range(6):
            Image.fromarray(scenes.scene(i).image).save(folder / f"{i}.png")
        for i in broken:
            (folder / f"{i}.png").write_bytes(b"\x89PNG no more")
        return {**values, "target": {"kind": "folder", "root": str(folder), "size": [96, 64]},
                "schedule": [{"name": "here"}], "evaluation": None,
                "method": {"name": "source_only"}}  # fmt: skip


def test_runs_cannot_be_written_to_a_file(tiny_run, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(
        InputError, match=r"out: expected a folder where runs can be written, got .*\(File ex"
    ):
        play(tiny_run)


def test_plain_json_has_no_nan() -> None:
    assert json.dumps(plain({"a": float("nan"), "b": np.int64(3), "c": np.array([1.5])})) == (
        '{"a": null, "b": 3, "c": [1.5]}'
    )


def test_repeats_are_told(tiny_run) -> None:
    values = {**tiny_run, "schedule": [
        {"name": "clear"}, {"name": "wet", "rain": 9, "passes": 2}, {"name": "clear"}]}  # fmt: skip
    notes = build(check(values, RunConfig, where="test")).notes
    assert notes[0] == "32 frames; 24 repeat a scene, 16 of them in the same weather"
    fresh = build(check(tiny_run, RunConfig, where="test")).notes
    assert fresh[0].endswith(" frames; no scene is repeated")


def test_adapted_student_can_be_kept(tiny_run) -> None:
    done = play(tiny_run, keep_checkpoint=True)
    _model, info = load_checkpoint(done.path / "checkpoints" / "last.safetensors")
    assert info.extra["adapted_from"] == done.environment["weights_digest"] != info.digest
    shutil.rmtree(done.path)
