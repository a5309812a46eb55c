"""From a method's settings to the method, with its roles, generators and replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from driftseg.control.bank import Bank
from driftseg.control.budget import Budget
from driftseg.errors import InputError
from driftseg.learners.parts.confidence import (
    Confidence,
    RelativeThreshold,
    SelfAdaptingThresholds,
    Thresholds,
)
from driftseg.methods import Dacs, DomainMemory, Hamlet, Method, NormStatistics, SourceOnly, Tent
from driftseg.methods.base import Learner
from driftseg.methods.hamlet import Released
from driftseg.methods.self_training import SelfTraining
from driftseg.models.roles import Roles, StaticDepth
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import names_from_stage, trainable_names
from driftseg.runs import learner_config as learners
from driftseg.runs import method_config as settings
from driftseg.runs.calibrate import Calibration
from driftseg.runs.config import RunConfig
from driftseg.runs.control_builder import (
    DriftSettings,
    build_detector,
    build_selector,
    drift_settings,
)
from driftseg.runs.learner_config import detector_of, learner_of
from driftseg.runs.replay_builder import (
    Beside,
    adapter_factor,
    build_restyled_replay,
    check_source,
    replay_beside,
    restyling_of,
)
from driftseg.scenes.dataset import Dataset


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
    if isinstance(method, settings.NormStatistics):
        return NormStatistics(
            Roles(model, trainable_names(model, ["norms"]), norm_statistics="running")
        )
    if source is None:
        raise InputError(
            f"method {learner_of(method).name} learns from labelled source scenes: set source"
        )
    if isinstance(method, learners.Remembering):
        return _build_memory(config, method, model, source, size, calibration)
    return _build_learner(config, method, model, source, size, calibration, Beside())


def _build_learner(
    config: RunConfig,
    method: learners.Learner,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    calibration: Calibration | None,
    beside: Beside,
) -> Learner:
    if isinstance(method, learners.ReplayOnly | learners.RestyledReplay):
        return build_restyled_replay(config, method, model, source, size, beside)
    if isinstance(method, settings.Dacs):
        training = _build_training(config, method, model, source, size, calibration, beside)
        return Dacs(training, learning_rate=method.learning_rate, mix_ratio=method.mix_ratio)
    drift = drift_settings(method.detector, calibration)
    training = _build_training(config, method, model, source, size, calibration, beside)
    return _build_hamlet(config, method, training, drift)


def _build_memory(
    config: RunConfig,
    method: learners.Lae | learners.Bank,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    calibration: Calibration | None,
) -> DomainMemory:
    """A learner, and what remembers for it."""
    own = isinstance(method.learner, settings.Hamlet)
    lae = method if isinstance(method, learners.Lae) else None
    bank = method.bank if isinstance(method, learners.Lae) else method
    finds = own or method.detector is not None
    given = detector_of(method)
    if given is not None and not own and model.early_head is None:
        raise InputError(
            f"the drift signal of {method.name} needs a model with an early head: train one "
            "with driftseg train (early_head_steps above 0), or set method.detector to null"
        )
    drift = None if given is None else drift_settings(given, calibration)
    detector = None
    if given is not None and drift is not None and not own:
        detector = build_detector(given, drift)
    beside = Beside("early" if finds else "none", lae is not None)
    return DomainMemory(
        _build_learner(config, method.learner, model, source, size, calibration, beside),
        detector=detector,
        offline_momentum=None if lae is None else 1 - 1 / lae.offline_horizon,
        first_task=finds,
        head_first=0 if lae is None else lae.head_first,
        bank=None if bank is None or drift is None else _build_bank(bank, drift.window),
        signal_shrink=method.signal_shrink,
    )  # fmt: skip


def _build_bank(given: learners.BankSettings, window: int) -> Bank:
    recent = window if given.recent is None else given.recent
    if recent < window:
        raise InputError(
            f"recent: {recent} frames are fewer than the {window} of the detector's window, which "
            "would leave frames of a new domain in the old one's signature; set more, or null"
        )
    return Bank(domains=given.domains, recent=recent, nearer=given.nearer)


def needs_calibration(method: learners.Method) -> bool:
    """Whether a method takes anything from a calibration."""
    learner = learner_of(method)
    if isinstance(learner, settings.SelfTraining) and learner.confidence.rule in (
        "source_share", "source_precision",
    ):  # fmt: skip
        return True
    return longest_window(method) is not None


def signal_shrink(method: learners.Method) -> int:
    """How much smaller the image is made for the drift signal."""
    learner = learner_of(method)
    for given in (learner, method):
        if isinstance(given, settings.Hamlet | learners.Remembering):
            return given.signal_shrink
    return int(settings.Hamlet.model_fields["signal_shrink"].default)


def full_resolution_signal(method: learners.Method) -> bool:
    """Whether the drift signal is computed at the image's size."""
    learner = learner_of(method)
    return isinstance(learner, settings.Hamlet) and learner.released.full_resolution_signal


def longest_window(method: learners.Method) -> int | None:
    """Frames that a learnt detector window may have; None where no detector is learnt."""
    given = detector_of(method)
    if given is None:
        return None
    whole = (given.window, given.rise, given.fall, given.source_level, given.far_level)
    return given.longest_window if None in whole else None


def _build_training(
    config: RunConfig,
    method: settings.Dacs | settings.Hamlet,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    calibration: Calibration | None,
    beside: Beside,
) -> SelfTraining:
    """The self-training step of DACS and HAMLET."""
    classes = source.label_space.classes
    check_source(config, model, source, size)
    _check_self_training(config, method, source, size)
    released = method.released if isinstance(method, settings.Hamlet) else settings.Released()
    static: StaticDepth = "early" if isinstance(method, settings.Hamlet) else beside.static
    roles = Roles(
        model,
        trainable_names(model, method.train),
        norm_statistics=method.norm_statistics,
        teacher=True,
        static="whole" if method.feature_distance > 0 else static,
        offline=beside.offline(model, method.train),
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


def _build_hamlet(
    config: RunConfig,
    method: settings.Hamlet,
    training: SelfTraining,
    drift: DriftSettings,
) -> Hamlet:
    released = method.released
    roles = training.roles
    modules = build_modules(roles.model, roles.trainable, fusion=not released.fusion_never_learns)
    costs = method.costs or "measured"
    return Hamlet(
        training,
        modules=modules,
        detector=build_detector(
            method.detector, drift, overlapping_reference=released.overlapping_reference
        ),
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
        selector=build_selector(method, tuple(modules), seed=config.seed),
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
