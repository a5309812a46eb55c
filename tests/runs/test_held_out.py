"""Held-out frames of a run: whose they are, and where they are kept."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from whole_runs import play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import build
from driftseg.runs.held_out import HeldOut
from driftseg.runs.loop import score_domains


def test_held_out_frames_of_single_domains(tiny_run) -> None:
    values = {**tiny_run, "evaluation": None, "home": "elsewhere", "method": {"name": "tent"},
              "evaluations": {"wet": tiny_run["evaluation"],
                              "elsewhere": {**tiny_run["evaluation"], "seed": 9}}}  # fmt: skip
    parts = build(check(values, RunConfig, where="test"))
    rows = score_domains(parts, lambda moment: None)
    assert [r["domain"] for r in rows if r["head"] == "main"] == ["wet", "elsewhere"]
    assert play(values).home == "elsewhere"


def test_common_held_out_frames_follow_the_domains_patterns(tiny_run) -> None:
    values = {**tiny_run, "method": {"name": "source_only"}, "schedule": [
        {"name": "even", "include": ["*0"]}, {"name": "odd", "include": ["*5"]}],
        "evaluation": {**tiny_run["target"], "seed": 2}}  # fmt: skip
    parts = build(check(values, RunConfig, where="test"))
    for domain, ending in (("even", "0"), ("odd", "5")):
        data, _ = parts.held_out[domain]
        assert len(data) == 4
        assert {data.name(i)[-1] for i in range(len(data))} == {ending}
    values["evaluation"] = {**tiny_run["target"], "every": 10}
    with pytest.raises(InputError, match=r"evaluations\.odd"):
        build(check(values, RunConfig, where="test"))


def test_held_out_frames_are_kept_in_memory_then_on_disk_as_far_as_granted(tiny_run) -> None:
    tiny_run["evaluation"]["frames"] = 2
    parts = build(check(tiny_run, RunConfig, where="test"))
    size = 96 * 64 * 4
    kept, bounded = HeldOut(parts, 100 * size, 0), HeldOut(parts, size, 2 * size)
    frames = [("clear", 0), ("clear", 1), ("wet", 0), ("wet", 1)]
    for _ in range(2):
        for place in frames:
            for one, other in zip(kept.frame(*place), bounded.frame(*place), strict=True):
                assert np.array_equal(one, other)
    assert kept.frame(*frames[3]) is kept.frame(*frames[3])
    assert bounded.frame(*frames[0]) is bounded.frame(*frames[0])
    on_disk = sorted(bounded._files)
    assert on_disk == [("clear", 1), ("wet", 0)]
    folder = bounded._files[on_disk[0]].parent
    assert len([*folder.iterdir()]) == 2
    assert [place for place, _ in bounded.frames(["clear", "wet"])] == frames
    plain = score_domains(parts, lambda moment: None)
    for one in (kept, bounded):
        assert score_domains(parts, lambda moment: None, held_out=one) == plain
    del bounded, one
    gc.collect()
    assert not folder.exists()
