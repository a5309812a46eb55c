"""The guard of a model that learns: frames that are refused, probes, snapshots, and the way back.

It draws nothing at random, and changes nothing until something is found.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftseg.control.checkup import Checkup, Reading, band, reading
from driftseg.control.frame_gate import FrameGate
from driftseg.control.guard import GuardSettings
from driftseg.frame import Image, Label
from driftseg.learners.answering import answer, certainty, to_label
from driftseg.learners.contract import Answer, Learner
from driftseg.models.roles import Roles

BURST = 3
"""Further probes that are asked at once where one answer is suspicious."""
DARKER, BRIGHTER, NOISE = 0.75, 1.3, 6.0
"""The mild changes of a probe, beside its mirror image: factors, and a deviation in grey levels."""


@dataclass(frozen=True)
class Probe:
    """An image that the model is asked about."""

    image: Image
    reference: Label


class Protection:
    """Keeps adaptation from wrecking a model, whatever the method is.

    Args:
        roles: of the model.
        learner: its state is kept and brought back.
        settings: of the guard.
        output: what the model answers with, from the student's answer.
        labelled: source images and labels of the frames' size. Without any, the first usable
            frames of the stream are the probes, with the source model's answers.
    """

    def __init__(
        self,
        roles: Roles,
        learner: Learner,
        settings: GuardSettings,
        output: Callable[[Answer], Tensor],
        *,
        labelled: Sequence[tuple[Image, Label]] = (),
    ):
        self._roles, self._learner, self._settings, self._output = roles, learner, settings, output
        self._labelled = tuple(labelled[: settings.probes])
        self.gate = FrameGate(
            widen=settings.frame_tolerance,
            repeats=settings.frozen_after,
            examples=[image for image, _ in self._labelled],
            first=settings.probes,
        )
        self.checkup = Checkup(every=settings.check_every, pause=settings.pause)
        self.brought_back = 0
        """Times that an earlier state was brought back."""
        self._probes: list[Probe] = []
        self._weights, self._statistics = roles.own_tensors()
        self._start = self._kept(frame=0)
        self._snapshots: list[dict[str, Any]] = []
        self._frames = 0
        self._unusable: str | None = None
        self._calibrated = False

    @property
    def paused(self) -> bool:
        """Whether learning waits after a collapse."""
        return self.checkup.paused

    @property
    def note(self) -> str:
        """What the guard takes for ordinary, for a record."""
        if self._labelled:
            return f"guard: calibrated on {len(self._labelled)} labelled source images"
        return (
            f"guard: there is no source, so it is calibrated on the first {self._settings.probes} "
            "usable frames of the stream"
        )

    def see(self, image: Image) -> str | None:
        """Why a frame is not to be learnt from; None where it may be."""
        before = self.gate.calibrated_on if self._frames else ""
        self._unusable = self.gate.see(image)
        self._calibrated = self.gate.calibrated_on != before
        return self._unusable

    def after(self, image: Image, *, learnt: bool, failed: bool = False) -> dict[str, Any] | None:
        """Looks after the model once a frame is done with; what it found, for the record.

        Args:
            image: the frame.
            learnt: whether a step was made.
            failed: whether a step was tried and its loss was not finite.
        """
        self._frames += 1
        told: dict[str, Any] = {}
        if self._calibrated:
            told["calibrated_on"] = self.gate.calibrated_on
        if self._unusable is not None:
            told["unusable"] = self._unusable
        elif len(self._probes) < self._wanted:
            self._prepare(image)
        probe = self.checkup.frame(learnt=learnt, failed=failed)
        if probe is not None:
            told |= self._check(probe)
        return told or None

    @property
    def _wanted(self) -> int:
        return len(self._labelled) or self._settings.probes

    def _check(self, probe: int) -> dict[str, Any]:
        found = self._read(self._probes[probe])
        wrong = self.checkup.suspicion(probe, found)
        told = {"probe": probe, **asdict(found), "least": self.checkup.bands[probe].agreement}
        if wrong is not None:
            told["suspicious"] = wrong
            asked = [probe, *self.checkup.others(probe, BURST)]
            if not self._healthy(asked):
                told |= {"collapse": wrong, "brought_back": self._bring_back(asked)}
                return {**told, "pause": self.checkup.collapsed()}
        if self.checkup.passed():
            self._keep()
        return told

    def _healthy(self, asked: Sequence[int]) -> bool:
        return self.checkup.healthy({probe: self._read(self._probes[probe]) for probe in asked})

    def _bring_back(self, asked: Sequence[int]) -> int:
        """Goes on with the newest state that answers as it should; the frame it is from.

        A state is used once: where it leads to another collapse, an older one is next.
        """
        self.brought_back += 1
        while self._snapshots:
            state = self._snapshots.pop()
            self._restore(state)
            if self._healthy(asked):
                return int(state["frame"])
        self._restore(self._start)
        return 0

    def _keep(self) -> None:
        self._snapshots.append(self._kept(self._frames))
        del self._snapshots[: -self._settings.snapshots]

    def _kept(self, frame: int) -> dict[str, Any]:
        offline = self._roles.overlays.get("offline", {})
        return {
            "frame": frame,
            "learnt": self._learner.learnt(),
            "offline": {name: tensor.clone() for name, tensor in offline.items()},
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._learner.bring_back(state["learnt"])
        offline = self._roles.overlays.get("offline", {})
        for name, tensor in offline.items():
            tensor.copy_(state["offline"][name])

    def _prepare(self, image: Image) -> None:
        """One more probe, and what is ordinary for it."""
        number = len(self._probes)
        with self._roles.answering_with(self._weights | self._statistics):
            if self._labelled:
                made = Probe(*self._labelled[number])
            else:
                made = Probe(image.copy(), self._labels(image))
            self._probes.append(made)
            plain = _of(self._answers(made.image)[-1], made)
            changed = [
                _of(self._answers(other.image)[-1], other) for other in _mildly_changed(made)
            ]
        self.checkup.bands.append(band(plain, changed, self._settings.tolerance))

    def _labels(self, image: Image) -> Label:
        return to_label(self._answers(image)[-1], (image.shape[0], image.shape[1]))

    def _read(self, probe: Probe) -> Reading:
        """The worse answer of the student and of what answers in its place, if anything does.

        The statistics of batch normalisation are the source's, because a probe is no frame of the
        present weather.
        """
        with self._roles.answering_with(self._statistics):
            found = [_of(logits, probe) for logits in self._answers(probe.image)]
        return min(found, key=lambda one: one.agreement)

    @torch.no_grad()
    def _answers(self, image: Image) -> list[Tensor]:
        answered = answer(self._roles, image)
        output = self._output(answered)
        return [output] if output is answered.logits else [answered.logits, output]

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        return {
            "gate": self.gate.state_dict(),
            "checkup": self.checkup.state_dict(),
            "probes": [{"image": p.image, "reference": p.reference} for p in self._probes],
            "weights": copy.deepcopy(self._weights),
            "statistics": copy.deepcopy(self._statistics),
            "start": copy.deepcopy(self._start),
            "snapshots": copy.deepcopy(self._snapshots),
            "brought_back": self.brought_back,
            "frames": self._frames,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues."""
        self.gate.load_state_dict(state["gate"])
        self.checkup.load_state_dict(state["checkup"])
        self._probes = [Probe(one["image"], one["reference"]) for one in state["probes"]]
        for name in ("weights", "statistics"):
            mine = getattr(self, f"_{name}")
            for key, tensor in mine.items():
                tensor.copy_(state[name][key])
        self._start = copy.deepcopy(state["start"])
        self._snapshots = copy.deepcopy(state["snapshots"])
        self.brought_back, self._frames = state["brought_back"], state["frames"]
        self._unusable = None


def _of(logits: Tensor, probe: Probe) -> Reading:
    answered = to_label(logits, (probe.reference.shape[0], probe.reference.shape[1]))
    mean = logits.float().softmax(dim=1).mean(dim=(0, 2, 3))
    return reading(
        answered,
        probe.reference,
        np.asarray(mean.cpu().numpy(), dtype=np.float32),
        certainty(logits)["confidence"],
    )


def _mildly_changed(probe: Probe) -> Iterator[Probe]:
    """The probe darker, brighter, noisy and mirrored."""
    image = probe.image.astype(np.float32)
    drawn = np.random.default_rng(0).normal(0, NOISE, probe.image.shape)
    for changed in (DARKER * image, BRIGHTER * image, image + drawn):
        yield Probe(changed.clip(0, 255).astype(np.uint8), probe.reference)
    # a copy, because torch takes no negative strides, which an image of width 1 would keep
    yield Probe(probe.image[:, ::-1].copy(), probe.reference[:, ::-1])
