"""What a run is set by, checked as a whole before anything heavy starts.

Every field says its unit and where its default comes from. The sections of parts come from the
files that hold these parts; here is only what is a run's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, SerializeAsAny, model_validator

from driftseg.labels.classes import Stated as StatedClasses
from driftseg.labels.mappings import Stated as StatedMapping
from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.parts import Pick
from driftseg.replay.replay import ReplaySettings
from driftseg.scenes.datasets import Data
from driftseg.settings import Name, Pixels, Positive, Seed, Settings, Share, is_none
from driftseg.stream.schedule import PresetSettings, VisitSettings
from driftseg.trackers.table import Tracking
from driftseg.weather.camera import CameraName, CameraSettings


class CalibrationSettings(Settings):
    """Learns what fits the model, once before the run.

    The detector's window and thresholds, and confidence; `driftseg calibrate` shows what comes
    of it.
    """

    data: Data
    """Labelled source frames in stream order that the model was not trained on."""
    rain: list[Annotated[float, Field(gt=0)]] = [50.0, 100.0, 200.0]
    """Rates in mm/h rendered on them, to learn how far the signal goes; empty renders none."""


class RunModelSettings(Settings):
    """The network a run expects."""

    encoder: str | None = None
    """The checkpoint must have this encoder; it also replaces {encoder} in ``checkpoint``."""
    network: str | None = Field(default=None, exclude_if=is_none)
    """``package.module:make``, a function that makes a torch module of your own, which maps images
    to logits; in place of ``checkpoint``. What follows is for it alone."""
    parts: list[str] | None = Field(default=None, exclude_if=is_none)
    """Names of its submodules, in the order in which they run."""
    head: str | None = Field(default=None, exclude_if=is_none)
    """One of ``parts`` that is the head and learns faster."""
    output: str | int | None = Field(default=None, exclude_if=is_none)
    """Key or position of the logits in what it returns."""
    ignored: list[int] | None = Field(default=None, exclude_if=is_none)
    """Outputs that stand for no class."""
    mean: tuple[float, float, float] | None = Field(default=None, exclude_if=is_none)
    """Of RGB in [0, 1], what it expects; ImageNet's."""
    deviation: tuple[Positive, Positive, Positive] | None = Field(default=None, exclude_if=is_none)
    size: tuple[Pixels, Pixels] | None = Field(default=None, exclude_if=is_none)
    """(height, width) of an image that it takes, to try it with."""

    @model_validator(mode="after")
    def _one_kind(self) -> RunModelSettings:
        if (self.encoder is None) == (self.network is None):
            raise ValueError("wanted either encoder or network")
        own = ("parts", "head", "output", "ignored", "mean", "deviation", "size")
        given = [name for name in own if getattr(self, name) is not None]
        if self.network is None and given:
            raise ValueError(f"{', '.join(given)}: are for a network of your own; set network")
        return self


class RunConfig(Settings):
    """``driftseg run``: one method through one schedule."""

    name: str
    """Of the target, for the run's folder name: storm, dusk, my_street."""
    source_name: str = "source"
    """Of the source, for the run's folder name."""
    checkpoint: str | None = None
    """A file, a Hugging Face folder or hub id (docs/checkpoints.md); null takes the bundled Town
    model."""
    weights: str | None = Field(default=None, exclude_if=is_none)
    """Which set of a checkpoint that holds several: student, teacher, static, or the words before
    its names; null takes the student, or else the first."""
    ignore_outputs: Annotated[list[int | str], Field(min_length=1)] | None = Field(
        default=None, exclude_if=is_none
    )
    """Outputs of the model that stand for no class (void, background), by number or by the file's
    name; they are never answered, and ``classes`` leaves them out."""
    model: RunModelSettings | None = None
    adapters: AdapterSettings | None = None
    """Small parts that are put into the encoder; null is none."""
    source: Data | None = None
    """Labelled source scenes for the replay; needed by methods that learn from the source."""
    target: Data
    """Frames of the stream; adapted on and scored as they come."""
    evaluation: Data | None = None
    """Held-out labelled frames, scored in every domain's weather before the first frame and
    after every domain; null turns that off."""
    evaluations: dict[Name, Data] = {}
    """Held-out frames of single domains, in place of ``evaluation``; a name that the schedule
    does not hold is scored too, as it is."""
    classes: StatedClasses | None = Field(default=None, exclude_if=is_none)
    """Names of the model's outputs in their order, where the checkpoint's file says none; also of
    folders, images, videos and cameras whose sections state none."""
    score_in: StatedClasses | None = None
    """A label space: what the target and the held-out frames are labelled in, where that is
    coarser than the model's. Predictions are told in it before they are scored; a class without
    a counterpart counts as wrong. null: both share one space, or ``mapping`` says how
    predictions are told in the target's."""
    mapping: StatedMapping | None = Field(default=None, exclude_if=is_none)
    """How predictions are told in the space that they are scored in: each class of the model ->
    one of the target or null; or a YAML file that says so. null takes the built-in mapping."""
    home: str | None = None
    """The domain that forgetting is measured on; null takes the schedule's first."""
    schedule: PresetSettings | list[VisitSettings] = PresetSettings(preset="storm")
    order: Literal["sequential", "shuffled"] = "sequential"
    """Of the frames within a visit: the target's, or drawn anew for each pass as in HAMLET's code.
    A stream is sequential."""
    crop: tuple[Pixels, Pixels] | None = None
    """(width, height) of a random window of each frame, which is adapted on in its place, as is
    a window of the source as large; HAMLET: 512, 512. Held-out frames are always whole."""
    stream_seed: Seed = 0
    """Of the shuffled order and the crops, so that other seeds meet the same frames."""
    method: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)]
    calibration: CalibrationSettings | None = None
    """Needed by HAMLET unless its detector is set whole, and by calibrated confidence."""
    diagnostics_every: Annotated[int, Field(ge=0)] = 10
    """Frames between two looks at every role's confidence and entropy, outside the timed part;
    0 is never."""
    replay: ReplaySettings = ReplaySettings()
    severity: NonNegativeFloat = 1.0
    """Strength of rendered rain and fog relative to the physics."""
    camera: CameraName | CameraSettings = "cityscapes"
    """Through which weather is seen: a preset by name, or one with changes."""
    corrupt_share: Share = 0.05
    """Unreadable frames are skipped; more than this share of the stream stops the run."""
    pictures: Annotated[int, Field(ge=0)] = 0
    """Frames of each visit whose images are kept for the report."""
    keep_checkpoint: bool = False
    """Whether the adapted student is saved in the run's folder."""
    trackers: Tracking | None = Field(default=None, exclude_if=is_none)
    """Where the run's numbers and pictures also go: tensorboard, wandb, mlflow, or sections with
    ``kind`` (docs/experiments.md). They do not change the run."""
    out: Path = Path("runs")
    seed: Seed = 0
    """Of everything random in adaptation."""
    weather_seed: Seed = 0
    """Of the drops, so that other seeds meet the same storm."""
    threads: PositiveInt | None = None
    """CPU threads; null leaves torch's choice."""
    device: str = "cpu"
