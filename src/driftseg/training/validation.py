"""Validation mIoU during training; every process scores its share of the scenes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.models.segmenter import Segmenter, upsample
from driftseg.models.trainable import set_statistics
from driftseg.replay.transforms import to_tensor
from driftseg.scenes.dataset import Dataset
from driftseg.training.processes import Processes


@torch.no_grad()
def validated(
    model: Segmenter,
    logits: nn.Module,
    dataset: Dataset,
    classes: int,
    *,
    processes: Processes,
    stop: Callable[[], int],
    scenes: int | None = None,
) -> float | None:
    """MIoU in percent, in float32 and with stored statistics; None after a signal.

    Args:
        model: in training; it is not changed.
        logits: from images to logits of one of its heads.
        dataset: labelled scenes.
        classes: number of classes.
        processes: that share the scenes.
        stop: returns the signal that this process received; 0 is none.
        scenes: number of scenes to score; None is all.

    Raises:
        InputError: a scene has no label.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    set_statistics(model, "stored")
    device = next(model.parameters()).device
    number = len(dataset) if scenes is None else min(scenes, len(dataset))

    def scored() -> Score:
        score = Score(classes)
        for index in range(processes.rank, number, processes.count):
            if stop():
                break
            scene = dataset.scene(index)
            if scene.label is None:
                raise InputError(
                    f"validation: expected a label for every scene, got {scene.name} without one. "
                    "To fix: leave it out with exclude, or add its label"
                )
            image = to_tensor(scene.image)[None].to(device)
            size = (scene.label.shape[0], scene.label.shape[1])
            found = upsample(logits(image), size)[0].argmax(0)
            score.add(found.to(torch.uint8).cpu().numpy(), scene.label)
        return score

    own = processes.agreed(scored)
    stopped, *counts = processes.sums([float(stop()), *own.counts.flatten().tolist()])
    own.counts = np.array(counts, dtype=np.int64).reshape(own.counts.shape)
    for module in training:
        module.training = True
    set_statistics(model, "update", only_trainable=True)
    return None if stopped else 100 * own.mean_iou()
