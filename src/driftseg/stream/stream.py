"""The stream: frames from a schedule and a dataset, in the weather of their domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError, UnreadableError
from driftseg.frame import Frame, Image, Label
from driftseg.images.reading import Size
from driftseg.scenes.dataset import Dataset
from driftseg.stream.ahead import in_advance
from driftseg.stream.schedule import Visit
from driftseg.weather.weather import Weather

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Skipped:
    """A frame that could not be read."""

    visit: int
    name: str
    reason: str


class Stream:
    """Frames in the schedule's order.

    The constructor draws the plan and the corners of all crops from the generator. They do not
    depend on skipped frames or on where the stream continues.

    Args:
        dataset: scenes; a visit takes them in the dataset's order.
        visits: the schedule.
        weather: renders weather on scenes.
        corrupt_share: unreadable frames are skipped; more than this share of all frames is an
            error.
        generator: draws the order and the crops.
        shuffled: whether each pass of a visit has a new random order.
        crop: (width, height) of a window that is cut out of every frame after rendering, at a
            uniformly random position. Labels do not influence it. The published code of HAMLET
            redraws crops with too much of one class (``cat_max_ratio``), which gives the method
            information on the target's labels.
        ahead: frames that a thread reads and renders in advance; 0 reads each on demand. Frames do
            not depend on it.
    """

    def __init__(
        self,
        dataset: Dataset,
        visits: Sequence[Visit],
        *,
        weather: Weather,
        corrupt_share: float,
        generator: np.random.Generator,
        shuffled: bool = False,
        crop: Size | None = None,
        ahead: int = 0,
    ):
        self._dataset = dataset
        self.visits = list(visits)
        self.weather = weather
        self._allowed = corrupt_share
        self.shuffled = shuffled
        self.crop = crop
        self.plan = _plan(dataset, self.visits, generator if shuffled else None)
        """(visit, scene number) of every frame, in order."""
        self._corners = generator.random((len(self.plan), 2))
        self.ahead = ahead
        self._position = 0
        self.skipped: list[Skipped] = []

    def __len__(self) -> int:
        return len(self.plan)

    def frames_of(self, visit: int) -> int:
        """Number of frames planned for a visit."""
        return sum(1 for v, _ in self.plan if v == visit)

    def __iter__(self) -> Iterator[Frame]:
        """Continues from the stream's position.

        Raises:
            InputError: too many frames are unreadable, or a label does not fit its image or label
                space; such a frame is not skipped.
        """
        left = range(self._position, len(self.plan))
        with closing(in_advance(self._frame, left, ahead=self.ahead)) as frames:
            for index, frame in frames:
                self._position = index + 1
                if isinstance(frame, UnreadableError):
                    visit, number = self.plan[index]
                    self._skip(visit, self._dataset.name(number), str(frame))
                else:
                    yield frame

    def _frame(self, index: int) -> Frame | UnreadableError:
        """A frame of the plan, or why it cannot be read; does not change the stream."""
        visit, number = self.plan[index]
        try:
            scene = self._dataset.scene(number)
        except UnreadableError as error:
            return error
        here = self.visits[visit]
        image = self.weather.on(scene, here.conditions, here.domain)
        label = scene.label
        if self.crop is not None:
            image, label = cut(image, label, self.crop, self._corners[index], name=scene.name)
        return Frame(index, visit, here.domain, scene.name, image, label)

    def image(self, index: int) -> Image:
        """A planned frame's image in its weather; does not move the stream.

        Args:
            index: its position in the plan.

        Raises:
            UnreadableError: it cannot be read.
        """
        visit, number = self.plan[index]
        scene, here = self._dataset.scene(number), self.visits[visit]
        image = self.weather.on(scene, here.conditions, here.domain)
        if self.crop is not None:
            image, _ = cut(image, None, self.crop, self._corners[index], name=scene.name)
        return image

    def _skip(self, visit: int, name: str, reason: str) -> None:
        self.skipped.append(Skipped(visit, name, reason))
        if len(self.skipped) > self._allowed * len(self.plan):
            raise InputError(
                f"corrupt_share: expected at most {self._allowed:g} of the frames to be "
                f"unreadable, got {len(self.skipped)} of {len(self.plan)}; the last: {reason}. "
                "To fix: mend the files, or raise corrupt_share"
            )

    def state_dict(self) -> dict[str, Any]:
        """The stream's position."""
        return {
            "position": self._position,
            "skipped": [[s.visit, s.name, s.reason] for s in self.skipped],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved position."""
        self._position = state["position"]
        self.skipped = [Skipped(*entry) for entry in state["skipped"]]


def cut(
    image: Image, label: Label | None, size: Size, corner: Shares, *, name: str
) -> tuple[Image, Label | None]:
    """A window of an image and of its label.

    Args:
        image: RGB, (H, W, 3).
        label: class ids, (H, W).
        size: (width, height) of the window.
        corner: its position from left to right and from top to bottom, in [0, 1).
        name: of the image, for errors.

    Raises:
        InputError: the image is smaller than the window.
    """
    (width, height), (high, wide) = size, image.shape[:2]
    if width > wide or height > high:
        raise InputError(
            f"{name}: expected a frame of at least the crop {width}x{height}, got {wide}x{high}. "
            "To fix: set a smaller crop, or null for whole frames"
        )
    left, top = int(corner[0] * (wide - width + 1)), int(corner[1] * (high - height + 1))
    window = np.s_[top : top + height, left : left + width]
    return image[window].copy(), None if label is None else label[window].copy()


def _plan(
    dataset: Dataset, visits: Sequence[Visit], generator: np.random.Generator | None
) -> list[tuple[int, int]]:
    """Visits and scene numbers; with a generator, every pass of a visit in a random order."""
    names = [dataset.name(i) for i in range(len(dataset))]
    plan: list[tuple[int, int]] = []
    cursors: dict[tuple[str, ...], int] = {}
    for number, visit in enumerate(visits):
        matching = [
            i for i, name in enumerate(names)
            if not visit.include or any(fnmatch(name, pattern) for pattern in visit.include)
        ]  # fmt: skip
        if not matching:
            example = names[0] if names else "nothing"
            raise InputError(
                f"schedule: expected frames of the target that match {', '.join(visit.include)} of "
                f"domain {visit.domain}, got none. To fix: change include; names look like "
                f"{example}"
            )
        count = len(matching) if visit.frames is None else visit.frames
        start = cursors.get(visit.include, 0) if visit.frames is not None else 0
        cursors[visit.include] = start + count
        chosen = [matching[(start + i) % len(matching)] for i in range(count)]
        for _ in range(visit.passes):
            order = range(count) if generator is None else generator.permutation(count)
            plan += [(number, chosen[i]) for i in order]
    return plan
