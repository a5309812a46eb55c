"""DACS: self-training on source classes pasted into the target (Tranheden et al. 2021).

It learns from every frame; the step is that of HAMLET's code (methods A.3) without its defects
(A.13), in `driftseg.methods.self_training`.
"""

from __future__ import annotations

from typing import Any

from driftseg.errors import InputError
from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import Answer, answer, to_prediction
from driftseg.methods.self_training import SelfTraining


class Dacs:
    """Learns from every frame: source labels, and pseudo-labels in a mixed image.

    Args:
        training: the step.
        learning_rate: of the encoder.
        mix_ratio: share of the source label's classes that are pasted.
    """

    def __init__(self, training: SelfTraining, *, learning_rate: float, mix_ratio: float):
        self.training = training
        self.roles = training.roles
        self._rate, self._mix_ratio = learning_rate, mix_ratio
        self._answered: Answer | None = None

    @property
    def updates(self) -> int:
        """Times the weights have changed."""
        return self.training.updates

    def answer(self, image: Image) -> Answer:
        """The student's answer; the shared prefix is kept for the teacher."""
        self._answered = answer(self.roles, image)
        return self._answered

    def predict(self, image: Image) -> Prediction:
        """The student's answer."""
        answered = self.answer(image)
        return to_prediction(answered.logits, answered.size)

    def adapt(self) -> Adaptation:
        """One step on the frame last predicted, paired with a source batch."""
        answered, self._answered = self._answered, None
        if answered is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        step = self.training.step(
            answered.images, answered.walk, learning_rate=self._rate, mix_ratio=self._mix_ratio
        )
        if not step.made:
            raise InputError(
                f"the loss is not finite ({_told(step.losses)}) after {self.updates} updates: "
                "lower method.learning_rate, or train less of the network"
            )
        return Adaptation(True, step.losses, self._rate)

    def learnt(self) -> dict[str, Any]:
        """The step's."""
        return self.training.learnt()

    def bring_back(self, state: dict[str, Any]) -> None:
        """To the step."""
        self.training.bring_back(state)

    def state_dict(self) -> dict[str, Any]:
        """The step's state."""
        return self.training.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.training.load_state_dict(state)


def _told(losses: Any) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
