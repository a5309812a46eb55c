"""HAMLET on bad input, and looking at its roles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hamlets import make, moved, play, snapshot

from driftseg.control.drift import WindowDetector
from driftseg.frame import SourceBatch
from driftseg.learners.answering import to_images
from driftseg.methods.diagnostics import diagnose
from driftseg.models.roles import Roles


class Poisoned:
    """A replay whose batches can be made to give losses that are not finite."""

    def __init__(self, replay):
        self._replay = replay
        self.poison = False

    def sample(self) -> SourceBatch:
        batch = self._replay.sample()
        return SourceBatch(batch.images * float("nan"), batch.labels) if self.poison else batch

    def state_dict(self) -> dict:
        return self._replay.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self._replay.load_state_dict(state)


class TestBadInput:
    @pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_lite"])
    @pytest.mark.parametrize("statistics", ["source", "running", "published"])
    def test_losses_that_are_not_finite(
        self, encoder: str, statistics: str, make_model, make_replay, frames
    ) -> None:
        """Skipped and counted; three in a row pause training until the next event."""
        replay = Poisoned(make_replay())
        detector = WindowDetector(window=1000, rise=1.0, fall=-1.0)
        method = make(make_model(encoder), replay, detector=detector, norm_statistics=statistics)
        play(method, frames[:1])
        before = {n: t for n, t in snapshot(method).items() if "num_batches" not in n}
        replay.poison = True
        with pytest.warns(RuntimeWarning, match="training pauses until the next change"):
            rows = play(method, frames[1:5])
        assert [row.plan["skipped"] for row in rows] == ["not finite"] * 3 + ["paused"]
        assert not any(row.trained for row in rows)
        assert method.guard.skipped == 3
        assert moved(method, before) == set()
        replay.poison = False
        method.guard.resume()  # what an event does
        assert play(method, frames[5:6])[0].trained

    def test_a_source_of_one_class_and_one_of_none(self, make_model, make_replay, frames) -> None:
        """One class is pasted whole, nothing of a label full of 255 is."""

        class Same(Poisoned):
            value = 3

            def sample(self) -> SourceBatch:
                batch = self._replay.sample()
                return SourceBatch(batch.images, torch.full_like(batch.labels, self.value))

        replay = Same(make_replay())
        method = make(make_model(), replay)
        assert play(method, frames[:1])[0].trained
        replay.value = 255
        row = play(method, frames[1:2])[0]
        assert row.trained
        assert row.losses["source"] == 0.0
        assert np.isfinite(list(row.losses.values())).all()

    def test_empty_feature_distance_contributes_exactly_nothing(
        self, make_model, make_replay, frames
    ) -> None:
        class Road(Poisoned):
            def sample(self) -> SourceBatch:
                batch = self._replay.sample()
                return SourceBatch(batch.images, torch.full_like(batch.labels, 255))

        method = make(make_model(), Road(make_replay()), distance=0.005)
        assert play(method, frames[:1])[0].losses["feature_distance"] == 0.0


class TestDiagnostics:
    def test_deep_static_stages_are_never_built_without_feature_distance(
        self, make_model, make_replay, frames
    ) -> None:
        method = make(make_model(), make_replay())
        names = method.roles.overlays["static"]
        assert all(name.startswith("encoder.stages.0.") for name in names)
        with pytest.raises(
            ValueError,
            match="expected a static role with all stages, got one "
            "that was built for its first stage",
        ):
            method.roles.levels("static", method.roles.prefix(to_images(frames[0], "cpu")))
        found = diagnose(method.roles, frames[0])
        assert found["static"] is None
        assert set(found["static_early"]) == {"confidence", "entropy"}

    def test_roles_are_looked_at_as_they_are(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), distance=0.005)
        first = diagnose(method.roles, frames[0])
        assert first["student"] == first["teacher"] == first["static"]
        play(method, frames[:3])
        later = diagnose(method.roles, frames[0])
        assert later["static"] == pytest.approx(first["static"], rel=1e-5)
        assert len({found["entropy"] for found in (later["student"], later["static"])}) == 2
        prediction = method.predict(frames[0])
        assert prediction.entropy == pytest.approx(later["student"]["entropy"], rel=1e-5)

    def test_source_only_is_its_own_static_model(self, make_model, frames) -> None:
        found = diagnose(Roles(make_model(), []), frames[0])
        assert found["student"] == found["static"]
        assert found["teacher"] is None
        assert found["static_early"] is not None
