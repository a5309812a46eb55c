"""What HAMLET's frames cost, in plain forward passes of the same model, interleaved.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/hamlet_speed.py [--encoder mit_b0] [--size 256 192]

A plain forward is the network in eval mode without gradients, its logits upsampled to the image and
the most probable class of every pixel. Frames without training hold answer and drift signal, after
every stage has learnt: with the signal on the image a third as large (the default), and on the
whole image, where the static first stage runs beside the student's. Random weights, Town frames.
Ratios are medians over frames that all variants see in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import FixedSelector
from driftseg.frame import Image
from driftseg.learners.answering import to_images, to_label
from driftseg.learners.parts.confidence import Thresholds
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.self_training import SelfTraining
from driftseg.learners.settings import Composition, SignalSettings
from driftseg.methods import AdaptiveModel, AfterChange, Always
from driftseg.models.encoders import ENCODERS
from driftseg.models.roles import Roles, StaticDepth
from driftseg.models.segmenter import Segmenter, build_segmenter
from driftseg.models.trainable import choices, trainable_names
from driftseg.replay.replay import Replay
from driftseg.replay.transforms import Augmentation
from driftseg.town.scenes import TownScenes

EVERYTHING = ("encoder", "head")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", choices=ENCODERS, default="mit_b0")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), help="width height")
    parser.add_argument("--frames", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    policy = os.environ.get("OMP_WAIT_POLICY")
    print(f"{arguments.encoder} {arguments.size[0]}x{arguments.size[1]}, "
          f"{arguments.threads} threads, OMP_WAIT_POLICY={policy}")  # fmt: skip
    size = (arguments.size[0], arguments.size[1])
    town = TownScenes(seed=5, frames=arguments.frames + 1, every=7, size=size)
    variants = make_variants(arguments.encoder, town, size)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(len(town)):
        image = town.scene(number).image
        for name, run in variants.items():
            started = time.perf_counter()
            run(image)
            if number > 0:  # the first frame warms up
                times[name].append(time.perf_counter() - started)
    plain = times["plain forward and argmax"]
    for name, own in times.items():
        ratios = sorted(a / b for a, b in zip(own, plain, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        middle = statistics.median(ratios)
        print(f"{name:<58} {middle:5.2f}  (middle half {low:.2f} to {high:.2f})")


def make_variants(
    encoder: str, town: TownScenes, size: tuple[int, int]
) -> dict[str, Callable[[Image], Any]]:
    """Every row of the table as a function of an image."""

    def model() -> Segmenter:
        torch.manual_seed(0)
        return build_segmenter(encoder, classes=len(town.label_space)).eval()

    def training(train: tuple[str, ...], static: StaticDepth, learning: Any) -> SelfTraining:
        network = model()
        roles = Roles(network, trainable_names(network, train), teacher=True, static=static,
                      learning=learning)  # fmt: skip
        replay = Replay(town, augmentation=Augmentation(size), capacity=8,
                        generator=np.random.default_rng(0))  # fmt: skip
        return SelfTraining(
            roles, replay, head_factor=10.0, weight_decay=0.01, teacher_momentum=0.999,
            confidence=Thresholds([0.1]), ignored_rows=(0, 0),
            mixing=Mixing(0.2, True, np.random.default_rng(0)),
            feature_distance_weight=0.005 if static == "whole" else 0.0,
            feature_distance_classes=range(len(town.label_space)),
            dropout_generator=torch.Generator(),
        )  # fmt: skip

    def hamlet(train: tuple[str, ...], first: int, iterations: int, learnt: bool,
               static: StaticDepth = "early", shrink: int = 3) -> AdaptiveModel:  # fmt: skip
        step = training(train, static, ())
        if learnt:
            step.roles.learn_only(step.roles.trainable)
        modules = choices(step.roles.network, step.roles.trainable, fusion=True)
        budget = Budget(
            Levels(1.0, 3.0), step=0.1, base_iterations=iterations, most_iterations=10**6,
            share_back=(1.0, 1.0), learning_rates=(1e-6, 1e-6), mix_ratios=(0.5, 0.5),
            rate_policy="constant", start_training=iterations > 1,
        )  # fmt: skip
        controller = AfterChange(
            tuple(modules), detector=WindowDetector(window=10**6, rise=1.0, fall=-1.0),
            budget=budget, selector=FixedSelector((first,)), measure=False,
        )  # fmt: skip
        parts = Composition(step, controller, modules)
        return AdaptiveModel(step.roles, parts, signal=SignalSettings(shrink))

    network = model()

    @torch.no_grad()
    def plain(image: Image) -> Any:
        logits = network(to_images(image, torch.device("cpu")))
        return to_label(logits, (image.shape[0], image.shape[1]))

    def frame(method: AdaptiveModel) -> Callable[[Image], Any]:
        def run(image: Image) -> None:
            method.predict(image)
            method.learn()

        return run

    many = 10**6
    learner = training(EVERYTHING, "none", None)
    always = Composition(learner, Always(learning_rate=1e-6, mix_ratio=0.5))
    dacs = AdaptiveModel(learner.roles, always)
    return {
        "plain forward and argmax": plain,
        "not training": frame(hamlet(EVERYTHING, 1, 1, True)),
        "not training, signal on the whole image": frame(hamlet(EVERYTHING, 1, 1, True, shrink=1)),
        **{
            f"training, n = {n} (stages {n} to 4 and head)": frame(
                hamlet(EVERYTHING, n, many, True)
            )
            for n in (1, 2, 3, 4)
        },
        "training, n = 4, stage 4 and head alone trainable": frame(
            hamlet(("encoder.stage4", "head"), 4, many, True)
        ),
        "training, n = 1, with feature distance": frame(hamlet(EVERYTHING, 1, many, True, "whole")),
        "dacs": frame(dacs),
    }


if __name__ == "__main__":
    main()
