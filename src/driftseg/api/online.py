"""A model that predicts and learns online: `driftseg.adapt` makes one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from driftseg.api.held import held, smaller
from driftseg.api.images import as_images, is_batch
from driftseg.api.models import Model
from driftseg.config.adapt import AdaptConfig
from driftseg.control.calibration import Calibration
from driftseg.errors import InputError, commas
from driftseg.frame import Adaptation, Image, Label
from driftseg.images.given import as_image
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.plain import plain_copy
from driftseg.models.segmenter import probabilities, upsample
from driftseg.runs.adapting import Source, make_adaptive
from driftseg.runs.states import read_state, save_state

_HOLDERS: WeakKeyDictionary[nn.Module, ReferenceType[OnlineModel]] = WeakKeyDictionary()
"""The adaptation that each module belongs to. It decides which tensors learn."""
STUDENT_ALONE = "the student alone: the offline adapters that answered beside it are left out"

Confidences = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """The prediction of a model for one image."""

    label: Label
    """(H, W) uint8: the class id of every pixel."""
    classes: tuple[str, ...]
    """Names in id order."""
    mean_confidence: float
    """Mean largest probability, on the head's grid."""
    entropy: float
    """Mean entropy in nats, on the head's grid."""
    _logits: Tensor = field(repr=False)
    _colours: tuple[tuple[int, int, int], ...] = field(repr=False)

    @property
    def confidence(self) -> Confidences:
        """(H, W) float32: the probability of each pixel's class; computed on request."""
        with torch.no_grad():
            logits = upsample(self._logits, (self.label.shape[0], self.label.shape[1]))
            found = logits.softmax(dim=1).amax(dim=1)[0]
        return np.asarray(found.cpu().numpy(), dtype=np.float32)

    def probabilities(self) -> npt.NDArray[np.float16]:
        """(C, h, w) float16: the probabilities of all classes, on the head's grid."""
        return probabilities(self._logits)

    def paint(self) -> Image:
        """(H, W, 3) RGB: the label in the classes' colours."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self._colours)] = self._colours
        return np.asarray(table[self.label])


@dataclass(frozen=True)
class State:
    """The state of an adaptation, a snapshot that another thread may read at any time."""

    frames: int = 0
    """Number of predicted images."""
    updates: int = 0
    """Number of changes of the weights."""
    signal: float | None = None
    """The drift signal of the last image that was learnt from, if the method has one."""
    event: Mapping[str, Any] | None = None
    """The last detected domain change."""
    learns: tuple[str, ...] = ()
    """Parts of the network that the last step trained."""
    skipped: str | None = None
    """The reason why the planned step on the last image was skipped."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Losses of the last step."""
    predict_ms: float | None = None
    learn_ms: float | None = None
    """Milliseconds of the last prediction and of the last ``learn``."""


class OnlineModel:
    """Predicts, then learns. One thread may call ``predict`` while others read.

    The method is made at the first image, because source images are cropped to its size.

    Args:
        model: adapted in place; its weights are those of the student.
        config: checked settings.
        source: labelled source scenes, if the method learns from them.
        calibration: the calibration on held-out source frames, if there is one.
    """

    def __init__(
        self,
        model: Model,
        config: AdaptConfig,
        *,
        source: Source | None = None,
        calibration: Calibration | None = None,
    ):
        self.model = model
        self.config = config
        self._source, self._calibration = source, calibration
        self._adaptive: AdaptiveModel | None = None
        self._start: dict[str, Any] | None = None
        self._size: tuple[int, int] | None = None
        self._waiting: list[Image] = []
        self._state = State()
        self._lock = threading.RLock()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in id order."""
        return self.model.classes

    def predict(self, image: Any) -> Any:
        """Predicts with the present weights.

        Args:
            image: RGB as an array or tensor (H, W, 3) or (3, H, W) of uint8 or of floats in
                [0, 1], a PIL image, or a file's path; or a batch, which is a list of these or an
                array of four dimensions.

        Returns:
            An `Answer`; a list of them for a batch.
        """
        if is_batch(image):
            with self._lock, _gradients():
                images = as_images(image)
                answers = [self._predict(one) for one in images]
                self._waiting = images
                return answers
        with self._lock, _gradients():
            one = as_image(image)
            answer = self._predict(one)
            self._waiting = [one]
            return answer

    def _predict(self, image: Image) -> Answer:
        adaptive = self._made(image)
        started = time.perf_counter()
        prediction = adaptive.predict(image)
        self._state = replace(
            self._state,
            frames=self._state.frames + 1,
            predict_ms=1000 * (time.perf_counter() - started),
        )
        return Answer(
            prediction.label,
            self.model.classes,
            prediction.confidence,
            prediction.entropy,
            adaptive.last_logits(),
            self.model.colours,
        )

    def learn(self) -> Adaptation:
        """Lets the method learn from the last prediction. It may be left out to save time.

        The method learns from the images of a batch one after another.

        Returns:
            The adaptation on the (last) image.

        Raises:
            RuntimeError: nothing was predicted since the last call.
        """
        with self._lock, _gradients():
            adaptive, waiting = self._adaptive, self._waiting
            if adaptive is None or not waiting:
                raise RuntimeError(
                    "expected predict() before learn(), got learn() first. To fix: call "
                    "predict() first"
                )
            self._check_held()
            self._waiting = []
            started = time.perf_counter()
            for number, image in enumerate(waiting):
                if len(waiting) > 1:  # answered before others were learnt from
                    adaptive.predict(image)
                done = adaptive.learn()
                self._note(adaptive, done, started if number == 0 else None)
            return done

    def _note(self, adaptive: AdaptiveModel, done: Adaptation, started: float | None) -> None:
        plan = done.plan or {}
        self._state = replace(
            self._state,
            updates=adaptive.updates,
            signal=done.signal,
            event=done.event or self._state.event,
            learns=adaptive.learning_parts() if done.trained else (),
            skipped=plan.get("skipped"),
            losses=done.losses,
            learn_ms=self._state.learn_ms
            if started is None
            else 1000 * (time.perf_counter() - started),
        )

    def state(self) -> State:
        """The present state. It takes no lock and never waits."""
        return self._state

    def reset(self) -> None:
        """Restores the source model and the state before the first image."""
        with self._lock:
            self._check_held()
            if self._adaptive is not None and self._start is not None:
                self._adaptive.load_state_dict(self._start)
            self._waiting, self._state = [], State()

    def save(self, path: str | Path) -> None:
        """Writes the whole state to a safetensors file, for an exact continuation.

        Raises:
            RuntimeError: nothing was predicted yet.
        """
        with self._lock:
            if self._adaptive is None or self._size is None:
                raise RuntimeError(
                    "expected at least one prediction before save(), got none. To fix: call "
                    "predict() first"
                )
            self._check_held()
            facts = {
                "classes": list(self.model.classes),
                "config": self.config.model_dump(mode="json"),
                "size": list(self._size),
                "frames": self._state.frames,
                "frozen": self._adaptive.roles.frozen_digest(),
            }
            save_state(Path(path), self._adaptive.state_dict(), facts)

    def load(self, path: str | Path) -> OnlineModel:
        """Restores a saved state. Model, method and source must be the same.

        Raises:
            InputError: the file is not from ``save``, or has other classes, settings or weights.
        """
        state, facts = read_state(Path(path))
        if tuple(facts["classes"]) != self.model.classes:
            raise InputError(
                f"{path}: expected a file of a model with the same classes, got classes "
                f"{commas(facts['classes'])}. To fix: load the model that it was saved from"
            )
        mine = self.config.model_dump(mode="json")
        other = [key for key, value in facts["config"].items() if mine.get(key) != value]
        if other:
            raise InputError(
                f"{path}: expected a file saved with the same settings, got other values of "
                f"{', '.join(other)}. To fix: call adapt() with the settings of the file"
            )
        with self._lock, _gradients():
            width, height = facts["size"]
            self._made(np.zeros((height, width, 3), dtype=np.uint8))
            assert self._adaptive is not None
            frozen = self._adaptive.roles.frozen_digest()
            if facts.get("frozen", frozen) != frozen:
                raise InputError(
                    f"{path}: expected a file saved from the same model, got other weights in "
                    "its fixed parts. To fix: load the same model first"
                )
            self._adaptive.load_state_dict(state)
            self._waiting = []
            self._state = State(frames=facts["frames"], updates=self._adaptive.updates)
        return self

    def merge(self) -> Model:
        """A plain copy of the adapted model, without roles and method.

        Low-rank adapters are added to their layers; other adapters stay in the model. Offline
        adapters (lae) are left out, and the copy's notes say so.
        """
        with self._lock:
            network = plain_copy(self.model.network)
        alone = (STUDENT_ALONE,) if self.config.method.needs().offline else ()
        return replace(self.model, network=network, notes=(*self.model.notes, *alone))

    def __enter__(self) -> OnlineModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        with self._lock:
            self._waiting = []

    def _made(self, image: Image) -> AdaptiveModel:
        """The adaptive model, made for images of the first one's size."""
        if self._adaptive is None:
            size = (image.shape[1], image.shape[0])
            source, replay = held(self._source, self.config.replay, size)
            self._adaptive = make_adaptive(
                self.config.method,
                self.model.network,
                source=source,
                classes=self.model.classes,
                size=smaller(size, None if source is None else source.size),
                crop=None if self.config.crop is None else smaller(size, self.config.crop),
                replay=replay,
                calibration=self._calibration,
                adapter_factor=1.0 if self.config.adapters is None else self.config.adapters.factor,
                seed=self.config.seed,
                guard=self.config.guard,
            )
            self._size = size
            self._start = self._adaptive.state_dict()
            _HOLDERS[self.model.module] = ref(self)
        self._check_held()
        return self._adaptive

    def _check_held(self) -> None:
        """A model learns for one caller at a time; another would freeze what this one trains."""
        holder = _HOLDERS.get(self.model.module)
        if self._adaptive is not None and (holder is None or holder() is not self):
            raise InputError(
                "expected a model that only this adapt() uses, got one that was given to another "
                "adapt() later. To fix: call load_model again, once for each adapt()"
            )


@contextmanager
def _gradients() -> Iterator[None]:
    """As learning needs it, whatever the caller has turned off (`torch.inference_mode`)."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
