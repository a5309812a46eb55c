"""What a user may set of methods; `driftseg.runs.learner_config` goes on and lists them all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from driftseg.settings import Positive, Settings, Share, TrainableSet, is_changed

Rows = Annotated[int, Field(ge=0)]


class SourceOnly(Settings):
    """The source model, never changed."""

    name: Literal["source_only"]


class NormStatistics(Settings):
    """Batch normalisation's running statistics follow the target; no weight learns."""

    name: Literal["norm_statistics"]


class Tent(Settings):
    """TENT: least entropy over the norms' weights and biases."""

    name: Literal["tent"]
    learning_rate: Positive = 1e-5
    """Adam's. On CamVid's storm 1e-4 collapsed and 1e-5 held (docs/results.md)."""
    norm_statistics: Literal["source", "running", "batch"] = "source"
    """What batch normalisation uses; TENT's paper says batch."""


class Confidence(Settings):
    """Which pseudo-labels to believe (`driftseg.learners.parts.confidence`)."""

    rule: Literal["threshold", "source_share", "source_precision", "relative", "self_adapting"] = (
        "threshold"
    )
    """threshold: fixed, the published rule. source_share, source_precision: fixed, learnt from
    held-out source frames (needs ``calibration``). relative: AdaMatch's. self_adapting:
    FreeMatch's."""
    threshold: Share = 0.968
    """Of the rule ``threshold``; DACS's and HAMLET's."""
    source_share: Share = 0.8
    """Share of held-out source pixels that pass the threshold."""
    precision: Share = 0.95
    """Share of the held-out source pixels above the threshold that are right."""
    per_class: bool = False
    """Whether source_share and source_precision give every class its own threshold."""
    factor: Positive = 0.9
    """Of the rule ``relative``: threshold over the source batch's mean confidence; AdaMatch's."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Of the averages of ``self_adapting``, per trained frame."""
    weigh: Literal["share", "pixels"] = "share"
    """share: all pixels weigh as much as the share that passes (DACS). pixels: those that pass
    weigh 1, others 0."""


Restyling = Literal[
    "histogram", "reinhard", "bands", "fourier", "spectrum", "blur", "streaks", "texture"
]
"""`driftseg.learners.parts.restyle.RESTYLINGS`."""


class Restyled(Settings):
    """How source images are given the target's appearance (`driftseg.learners.parts.restyle`)."""

    restylings: Annotated[list[Restyling], Field(min_length=1)] = ["histogram"]
    """One after another. histogram: per channel. reinhard: mean and spread in Lab. bands: a
    histogram per band. fourier: low frequencies' amplitudes. spectrum: power at each radial
    frequency. blur: as soft. streaks: thin bright texture. texture: blur, then streaks."""
    fourier_beta: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    """Of fourier: half the window of low frequencies over the shorter side; FDA tries .01, .05
    and .09."""

    @model_validator(mode="after")
    def _fourier_is_used(self) -> Restyled:
        if "fourier" not in self.restylings and is_changed(self, "fourier_beta"):
            raise ValueError("fourier_beta: fourier is not among the restylings; add it there")
        return self


class SelfTraining(Restyled):
    """What DACS and HAMLET share (methods A.3)."""

    train: TrainableSet = ["encoder", "head"]
    """The whole trainable set."""
    head_factor: Positive = 10.0
    """Heads learn this many times as fast."""
    weight_decay: NonNegativeFloat = 0.01
    norm_statistics: Literal["source", "running", "batch", "published"] = "source"
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Largest momentum of the teacher's moving average."""
    confidence: Confidence = Confidence()
    ignored_rows: tuple[Rows, Rows] = (0, 0)
    """Top and bottom rows whose pseudo-labels have no weight; HAMLET: 15, 120 of 512."""
    jitter: NonNegativeFloat = 0.2
    """Strength of brightness, contrast, saturation and hue jitter of the mixed image."""
    blur: bool = True
    feature_distance: NonNegativeFloat = 0.0
    """Weight of the distance to the static role's deep features; HAMLET .005. 0: never built."""
    feature_distance_classes: list[str] = []
    """Classes whose pixels it looks at; empty takes all."""
    replay_style: Literal["plain", "restyled"] = "plain"
    """restyled: source classes wear the appearance of the frame they are pasted into."""
    source_loss: Literal["plain", "restyled"] = "plain"
    """Which source image the source's own losses look at; plain keeps the source in mind,
    whatever the frames look like."""

    @field_validator("source_loss")
    @classmethod
    def _restyled_at_all(cls, value: str, info: ValidationInfo) -> str:
        if value == "restyled" and info.data.get("replay_style") == "plain":
            raise ValueError("restyled needs replay_style: restyled")
        return value

    @model_validator(mode="after")
    def _restylings_are_used(self) -> SelfTraining:
        if self.replay_style == "plain" and is_changed(self, "restylings"):
            raise ValueError("restylings: nothing is restyled; set replay_style: restyled")
        return self


class Dacs(SelfTraining):
    """DACS self-training with a mean teacher, on every frame."""

    name: Literal["dacs"]
    learning_rate: Positive = 1.5e-5
    """Of the encoder, HAMLET's; heads have ``head_factor`` times as much."""
    mix_ratio: Share = 0.5
    """Share of a source label's classes that ClassMix pastes."""


class Detector(Settings):
    """What finds changes in the drift signal."""

    name: Literal["window", "adwin", "page_hinkley"] = "window"
    """window: HAMLET's. The others come from the river library, extra [drift]."""
    window: PositiveInt | None = None
    """Frames averaged for one decision; null takes the calibration's. HAMLET: 75."""
    rise: Positive | None = None
    """Difference that is a change away from the source; null takes the calibration's. HAMLET:
    .23. Also what ``base_iterations`` are granted for."""
    fall: Annotated[float, Field(lt=0)] | None = None
    """Difference that is a change back; null takes the calibration's. HAMLET: -.23."""
    source_level: float | None = None
    """The signal on the source; null takes the calibration's. HAMLET: .8."""
    far_level: float | None = None
    """The signal far from the source; null takes the calibration's. HAMLET: 2.55."""
    start_rises: Positive | None = 3.0
    """How many times ``rise`` the first window must lie above the source's level to be a change,
    for streams that begin far from the source; null, as published, never asks."""
    longest_window: PositiveInt = 75
    """Of a calibrated window."""
    delta: Positive = 0.002
    """ADWIN's: chance of a false alarm."""
    tolerance: NonNegativeFloat = 0.01
    """Page-Hinkley's: deviation that is not counted."""
    summed_rise: Positive = 1.0
    """Page-Hinkley's: summed deviation that is a change."""


class Released(Settings):
    """What HAMLET's released code does in place of what is meant (methods A.13).

    Each is off unless ``compat: published`` turns all on.
    """

    fusion_never_learns: bool = False
    """B2: the head's fusion, norm and classifier keep their values in every choice."""
    one_rate_after_change: bool = False
    """B4: heads lose ``head_factor`` at the first change."""
    frozen_tensors_drift: bool = False
    """B5: tensors that do not learn now still move by AdamW's momentum and decay."""
    overlapping_reference: bool = False
    """B7: the reference window is kept and tested against itself."""
    diagnostics_move_statistics: bool = False
    """B13: a pass for logging moves norms' statistics and random draws."""
    replay_ignores_capacity: bool = False
    """B1: the replay draws from the whole source whatever the buffer's size."""
    paste_unlabelled: bool = False
    """Q3: unlabelled source pixels can be pasted as if they were a class."""
    full_resolution_signal: bool = False
    """A.6: the signal is computed at the image's size."""


class Hamlet(SelfTraining):
    """HAMLET: self-training after detected changes, on a chosen part of the network."""

    name: Literal["hamlet"]
    norm_statistics: Literal["source", "running", "batch", "published"] = "running"
    """Under running, statistics move with every trained frame, which is a large part of what a
    network with batch normalisation gains (docs/results.md)."""
    confidence: Confidence = Confidence(weigh="pixels")
    """The published threshold, pixel by pixel; ``weigh`` is pixels under other rules, too, unless
    set or ``compat: published``. How rules compare: docs/results.md."""
    compat: Literal["published"] | None = None
    """published: the released code's behaviour and its constants wherever they are not set."""
    released: Released = Released()
    detector: Detector = Detector()
    signal_shrink: PositiveInt = 3
    """Factor by which the image is made smaller for the drift signal; HAMLET: 1. At 3 the signal
    costs less and tells heavy rains apart better (docs/results.md)."""
    base_iterations: PositiveInt = 750
    """Trained frames granted for a change of one ``rise``. HAMLET's 750 are for domains of 8925
    frames; take about half a visit."""
    most_iterations: PositiveInt = 4450
    """Cap of what is granted, carried-over iterations included; HAMLET's."""
    share_back: tuple[Share, Share] = (0.25, 0.75)
    """Share granted for a change back, at the source's level and far away; HAMLET's."""
    learning_rates: tuple[Positive, Positive] = (1.5e-5, 6e-5)
    """Of the encoder, at the source's level and far away; HAMLET's."""
    rate_policy: Literal["decay", "constant", "burst"] = "decay"
    """How the rate goes on after a change; HAMLET's default (adaptive_slope) is decay."""
    mix_ratios: tuple[Share, Share] = (0.5, 0.25)
    """Of ClassMix, at the source's level and far away; HAMLET's."""
    start_training: bool = False
    """Train ``base_iterations`` from the first frame on; otherwise nothing is trained before the
    first change."""
    selection: Literal[
        "reward", "random", "round_robin", "stage1", "stage2", "stage3", "stage4"
    ] = "reward"
    """Which stages learn: from the chosen one to the last, and the head. stage1..4 are fixed."""
    punish_quick_less: bool = False
    """Whether the reward weighs a loss that rose by 1 - the weight of one that fell, as a branch
    of the released code that is never taken seems to mean (methods A.13, B6). Noise in the losses
    then favours quick choices."""
    costs: Literal["measured", "published", "none"] | None = None
    """What weighs the reward: frames/s measured on this device, HAMLET's constants, or nothing;
    null is measured, or published under ``compat: published``."""
    deadline_ms: Positive | None = None
    """For answering and learning; the choice that trains most and fits is taken, or none."""

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: object) -> object:
        """``compat: published`` fills in what is not set."""
        if not isinstance(values, dict):
            return values
        if values.get("compat") != "published":
            given = values.get("confidence")
            if isinstance(given, dict):
                return {**values, "confidence": {"weigh": "pixels", **given}}
            return values
        filled = {
            "norm_statistics": "published",
            "signal_shrink": 1,
            "costs": "published",
            "confidence": {},
            **values,
        }
        switches = filled.get("released", {})
        if isinstance(switches, dict):
            filled["released"] = dict.fromkeys(Released.model_fields, True) | switches
        detector = filled.get("detector", {})
        if isinstance(detector, dict):
            filled["detector"] = PUBLISHED_DETECTOR | detector
        return filled


PUBLISHED_DETECTOR = {
    "window": 75,
    "rise": 0.23,
    "fall": -0.23,
    "source_level": 0.8,
    "far_level": 2.55,
    "start_rises": None,
}
"""HAMLET's constants for Cityscapes with MiT-B1 (methods A.0)."""
