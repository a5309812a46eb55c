"""Dataset-level intersection over union, from one confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.frame import Label
from driftseg.labels import IGNORE

Matrix = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def confusion(prediction: Label, label: Label, classes: int) -> Matrix:
    """Pixels by true class (row) and predicted class (column), (C, C).

    Args:
        prediction: class ids 0..C-1, (H, W).
        label: class ids or 255, (H, W); pixels of 255 are not counted.
        classes: C.

    Raises:
        InputError: shapes differ, or an id is out of range.
    """
    if prediction.shape != label.shape:
        raise InputError(
            f"expected a label of the prediction's shape {prediction.shape}, got {label.shape}. To "
            "fix: bring both to one size"
        )
    known = label != IGNORE
    truth, guess = label[known].astype(np.int64), prediction[known].astype(np.int64)
    for name, ids in (("label", truth), ("prediction", guess)):
        if ids.size and ids.max() >= classes:
            raise InputError(
                f"expected {name} ids below {classes}, the number of classes, got {ids.max()}. "
                "To fix: check the label space"
            )
    return np.bincount(truth * classes + guess, minlength=classes**2).reshape(classes, classes)


class Score:
    """Pixel counts of many images; every score is over all of them together.

    mIoU is that of benchmarks (sum of intersections over sum of unions per class, then the mean
    over classes), not the mean of per-image scores. A class that is neither labelled nor predicted
    has no IoU (NaN) and is left out of the mean. A prediction of 255 is a class outside the label
    space: a miss of the true class, and a pixel of no other class.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.counts: Matrix = np.zeros((classes, classes), dtype=np.int64)
        self.missed: Matrix = np.zeros(classes, dtype=np.int64)
        """Pixels per true class that were predicted as a class outside the label space, (C,)."""

    def add(self, prediction: Label, label: Label) -> None:
        """Counts one image."""
        strange = prediction == IGNORE
        if strange.shape == label.shape and strange.any():
            lost = label[strange & (label != IGNORE)]
            self.missed += np.bincount(lost, minlength=self.classes)
            prediction = np.where(strange, np.uint8(0), prediction)
            label = np.where(strange, np.uint8(IGNORE), label)
        self.counts += confusion(prediction, label, self.classes)

    @property
    def labelled(self) -> Matrix:
        """Labelled pixels per class, (C,)."""
        return np.asarray(self.counts.sum(axis=1) + self.missed, dtype=np.int64)

    @property
    def intersection(self) -> Matrix:
        """Correct pixels per class, (C,)."""
        return np.diag(self.counts).copy()

    @property
    def union(self) -> Matrix:
        """Pixels per class that are labelled or predicted as this class, (C,)."""
        everything = self.counts.sum(axis=0) + self.labelled
        return np.asarray(everything - np.diag(self.counts), dtype=np.int64)

    def iou(self) -> Floats:
        """IoU per class, 0 to 1, NaN for absent classes."""
        return ratio(self.intersection, self.union)

    def mean_iou(self) -> float:
        """Mean IoU over the present classes; NaN if nothing was counted."""
        return mean(self.iou())

    def mean_accuracy(self) -> float:
        """Mean over labelled classes of the share of correct pixels."""
        return mean(ratio(self.intersection, self.labelled))

    def pixel_accuracy(self) -> float:
        """Share of correct pixels among all labelled pixels."""
        return float(ratio(self.intersection.sum()[None], self.labelled.sum()[None])[0])

    def state_dict(self) -> dict[str, Any]:
        """The counts, including missed pixels."""
        return {"counts": self.counts.tolist(), "missed": self.missed.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from the counts of another score."""
        self.counts = np.array(state["counts"], dtype=np.int64).reshape(self.classes, self.classes)
        self.missed = np.array(state["missed"], dtype=np.int64)


def ratio(part: Matrix, whole: Matrix) -> Floats:
    """Part / whole, NaN if the whole is 0."""
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def mean(values: Floats) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
