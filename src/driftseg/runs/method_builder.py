"""From a method's settings to the method, with its roles, generators and replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import Detector, WindowDetector, adwin, page_hinkley
from driftseg.control.selection import (
    PUBLISHED_SPEEDS,
    FixedSelector,
    RandomSelector,
    RewardSelector,
    RoundRobinSelector,
    Selector,
)
from driftseg.data.datasets.files import Dataset
from driftseg.errors import InputError
from driftseg.methods import Dacs, Hamlet, Method, SourceOnly, Tent
from driftseg.methods.confidence import (
    Confidence,
    RelativeThreshold,
    SelfAdaptingThresholds,
    Thresholds,
)
from driftseg.methods.hamlet import Released
from driftseg.methods.self_training import SelfTraining
from driftseg.models.roles import Roles, StaticDepth
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import names_from_stage, trainable_names
from driftseg.runs import method_config as settings
from driftseg.runs.calibrate import Calibration
from driftseg.runs.config import RunConfig
from driftseg.runs.replay_builder import (
    adapter_factor,
    build_restyled_replay,
    check_source,
    replay_beside,
    restyling_of,
)


def build_method(
    config: RunConfig,
    model: Segmenter,
    source: Dataset | None,
    size: tuple[int, int],
    calibration: Calibration | None = None,
) -> Method:
    """The method that the config names.

    Args:
        config: checked.
        model: the source model, on its device.
        source: labelled source scenes, for methods that learn from them.
        size: (width, height) of the stream's frames.
        calibration: what was learnt from held-out source frames, if anything was.
    """
    method = config.method
    if isinstance(method, settings.SourceOnly):
        return SourceOnly(Roles(model, []))
    if isinstance(method, settings.Tent):
        roles = Roles(
            model, trainable_names(model, ["norms"]), norm_statistics=method.norm_statistics
        )
        return Tent(roles, learning_rate=method.learning_rate)
    if source is None:
        raise InputError(f"method {method.name} learns from labelled source scenes: set source")
    if isinstance(method, settings.Dacs):
        training = _build_training(config, method, model, source, size, calibration)
        return Dacs(training, learning_rate=method.learning_rate, mix_ratio=method.mix_ratio)
    if isinstance(method, settings.ReplayOnly | settings.RestyledReplay):
        return build_restyled_replay(config, method, model, source, size)
    return _build_hamlet(config, method, model, source, size, calibration)


def needs_calibration(method: settings.Method) -> bool:
    """Whether a method takes anything from a calibration."""
    if not isinstance(method, settings.Dacs | settings.Hamlet):
        return False
    if method.confidence.rule in ("source_share", "source_precision"):
        return True
    return longest_window(method) is not None


def signal_shrink(method: settings.Method) -> int:
    """How much smaller the image is made for the drift signal."""
    shrink = settings.Hamlet.model_fields["signal_shrink"].default
    return int(method.signal_shrink if isinstance(method, settings.Hamlet) else shrink)


def longest_window(method: settings.Method) -> int | None:
    """Frames that a learnt detector window may have; None where no detector is learnt."""
    if not isinstance(method, settings.Hamlet):
        return None
    given = method.detector
    whole = (given.window, given.rise, given.fall, given.source_level, given.far_level)
    return given.longest_window if None in whole else None


def _build_training(
    config: RunConfig,
    method: settings.Dacs | settings.Hamlet,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    calibration: Calibration | None,
) -> SelfTraining:
    """The self-training step of DACS and HAMLET."""
    classes = source.label_space.classes
    check_source(config, model, source, size)
    _check_self_training(config, method, source, size)
    released = method.released if isinstance(method, settings.Hamlet) else settings.Released()
    static: StaticDepth = "early" if isinstance(method, settings.Hamlet) else "none"
    roles = Roles(
        model,
        trainable_names(model, method.train),
        norm_statistics=method.norm_statistics,
        teacher=True,
        static="whole" if method.feature_distance > 0 else static,
        learning=() if isinstance(method, settings.Hamlet) else None,
    )
    everything = len(source) if released.replay_ignores_capacity else None
    looked_at = method.feature_distance_classes or classes
    return SelfTraining(
        roles,
        replay_beside(config, source, size, capacity=everything),
        head_factor=method.head_factor,
        weight_decay=method.weight_decay,
        teacher_momentum=method.teacher_momentum,
        confidence=build_confidence(method.confidence, calibration),
        ignored_rows=method.ignored_rows,
        jitter=method.jitter,
        blur=method.blur,
        feature_distance_weight=method.feature_distance,
        feature_distance_classes=[classes.index(name) for name in looked_at],
        paste_unlabelled=released.paste_unlabelled,
        frozen_tensors_drift=released.frozen_tensors_drift,
        adapter_factor=adapter_factor(config),
        restyle=restyling_of(method) if method.replay_style == "restyled" else None,
        restyled_source_loss=method.source_loss == "restyled",
        generator=np.random.default_rng([config.seed, 2]),
        dropout_generator=torch.Generator().manual_seed(config.seed),
    )


def _check_self_training(
    config: RunConfig,
    method: settings.Dacs | settings.Hamlet,
    source: Dataset,
    size: tuple[int, int],
) -> None:
    classes = source.label_space.classes
    rows = (config.crop or size)[1]
    if sum(method.ignored_rows) >= rows:
        raise InputError(
            f"method.ignored_rows {list(method.ignored_rows)} leave nothing of {rows} rows"
        )
    unknown = sorted(set(method.feature_distance_classes) - set(classes))
    if unknown:
        raise InputError(
            f"method.feature_distance_classes: {unknown} are no classes of {list(classes)}"
        )


def build_confidence(
    confidence: settings.Confidence, calibration: Calibration | None
) -> Confidence:
    """The rule that weighs pseudo-labels.

    Raises:
        InputError: the rule is learnt from source frames and none were given.
    """
    if confidence.rule == "threshold":
        return Thresholds([confidence.threshold], weigh=confidence.weigh)
    if confidence.rule == "relative":
        return RelativeThreshold(confidence.factor, weigh=confidence.weigh)
    if confidence.rule == "self_adapting":
        return SelfAdaptingThresholds(momentum=confidence.momentum, weigh=confidence.weigh)
    if calibration is None:
        raise InputError(
            f"method.confidence.rule {confidence.rule} is learnt from held-out source frames: set "
            "calibration.data, or another rule"
        )
    table = calibration.confidence
    if confidence.rule == "source_share":
        found = table.share_thresholds(confidence.source_share, per_class=confidence.per_class)
    else:
        found = table.precision_thresholds(confidence.precision, per_class=confidence.per_class)
    return Thresholds(found, weigh=confidence.weigh)


@dataclass(frozen=True)
class _Drift:
    """A detector's settings, from the config where it sets them, learnt otherwise."""

    window: int
    rise: float
    fall: float
    levels: Levels


def _drift(method: settings.Hamlet, calibration: Calibration | None) -> _Drift:
    given = method.detector
    values = {
        name: getattr(given, name)
        for name in ("window", "rise", "fall", "source_level", "far_level")
    }
    missing = [name for name, value in values.items() if value is None]
    if missing:
        if calibration is None:
            raise InputError(
                f"method.detector: {', '.join(missing)} are not set; set them, or calibration.data "
                "(held-out source frames), or method.compat=published for HAMLET's constants, "
                "which fit Cityscapes with MiT-B1"
            )
        learnt = calibration.detector(given.longest_window)
        values |= {name: getattr(learnt, name) for name in missing}
    return _Drift(
        values["window"], values["rise"], values["fall"],
        Levels(values["source_level"], values["far_level"]),
    )  # fmt: skip


def _build_hamlet(
    config: RunConfig,
    method: settings.Hamlet,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    calibration: Calibration | None,
) -> Hamlet:
    drift = _drift(method, calibration)
    training = _build_training(config, method, model, source, size, calibration)
    released = method.released
    modules = build_modules(
        model, training.roles.trainable, fusion=not released.fusion_never_learns
    )
    costs = method.costs or "measured"
    return Hamlet(
        training,
        modules=modules,
        detector=_build_detector(method, drift),
        budget=Budget(
            drift.levels,
            step=drift.rise,
            base_iterations=method.base_iterations,
            most_iterations=method.most_iterations,
            share_back=method.share_back,
            learning_rates=method.learning_rates,
            mix_ratios=method.mix_ratios,
            rate_policy=method.rate_policy,
            start_training=method.start_training,
        ),
        selector=_build_selector(method, tuple(modules), seed=config.seed),
        signal_shrink=method.signal_shrink,
        measure=costs == "measured" and method.selection == "reward",
        deadline_ms=method.deadline_ms,
        released=Released(
            one_rate_after_change=released.one_rate_after_change,
            diagnostics_move_statistics=released.diagnostics_move_statistics,
            full_resolution_signal=released.full_resolution_signal,
        ),
    )


def build_modules(
    model: Segmenter, trainable: Sequence[str], *, fusion: bool
) -> dict[int, list[str]]:
    """Per first trained stage what learns; stages of which nothing is trainable are no choice."""
    groups = model.groups()
    choices = [n for n in range(1, 5) if set(groups[f"encoder.stage{n}"]).intersection(trainable)]
    return {n: names_from_stage(model, trainable, n, fusion=fusion) for n in (choices or [4])}


def _build_detector(method: settings.Hamlet, drift: _Drift) -> Detector:
    given = method.detector
    if given.name == "adwin":
        return adwin(delta=given.delta, recent=drift.window)
    if given.name == "page_hinkley":
        return page_hinkley(rise=given.summed_rise, tolerance=given.tolerance, recent=drift.window)
    return WindowDetector(
        window=drift.window,
        rise=drift.rise,
        fall=drift.fall,
        start=None if given.start_rises is None else drift.levels.source,
        start_rises=given.start_rises or 1.0,
        overlapping_reference=method.released.overlapping_reference,
    )


def _build_selector(method: settings.Hamlet, choices: tuple[int, ...], *, seed: int) -> Selector:
    if method.selection == "random":
        return RandomSelector(choices, np.random.default_rng([seed, 3]))
    if method.selection == "round_robin":
        return RoundRobinSelector(choices)
    if method.selection == "reward":
        speeds = None if method.costs == "none" else {n: PUBLISHED_SPEEDS[n] for n in choices}
        return RewardSelector(
            choices,
            speeds=speeds,
            punish_quick_less=method.punish_quick_less,
        )
    wanted = int(method.selection.removeprefix("stage"))
    if wanted not in choices:
        raise InputError(
            f"method.selection {method.selection}: nothing of that stage is in method.train; "
            f"choices are {[f'stage{n}' for n in choices]}"
        )
    return FixedSelector((wanted,))
