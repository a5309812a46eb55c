"""The settings of a run. They are checked as a whole before anything heavy starts.

Every field says its unit and the source of its default. The sections of parts come from the files
of these parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, SerializeAsAny, model_validator

from driftseg.config.own_adapters import with_adapters_of_the_method
from driftseg.control.guard import Guarding
from driftseg.labels.classes import Stated as StatedClasses
from driftseg.labels.mappings import Stated as StatedMapping
from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.parts import Pick
from driftseg.replay.replay import ReplaySettings
from driftseg.scenes.datasets import Data
from driftseg.settings import Name, Pixels, Positive, Seed, Settings, Share, is_none
from driftseg.stream.pace import PaceSettings
from driftseg.stream.schedule import PresetSettings, VisitSettings
from driftseg.trackers.table import Tracking
from driftseg.weather.camera import CameraName, CameraSettings


class CalibrationSettings(Settings):
    """Calibration of a method to the model, once before the run.

    It sets the detector's window and thresholds, and the confidence. `driftseg calibrate` shows
    the result.
    """

    data: Data
    """Labelled source frames in stream order. The model was not trained on them."""
    rain: list[Annotated[float, Field(gt=0)]] = [50.0, 100.0, 200.0]
    """Rain rates in mm/h. Calibration renders this rain on the frames and measures how far the
    drift signal rises. An empty list renders none."""


class LabelFreeSettings(Settings):
    """What is measured of the adapted model without labels of the target, at the end of a run.

    `label_free.json` in the run's folder holds it; `driftseg tune` selects by it.
    """

    source: Data
    """Labelled source frames that the model was not trained on; scored without weather."""
    frames: PositiveInt = 8
    """Frames of the stream, evenly spread, on which agreement with augmented views is measured."""
    views: PositiveInt = 2
    """Augmented views of each of these frames."""


class RunModelSettings(Settings):
    """The network that a run expects."""

    encoder: str | None = None
    """The checkpoint must have this encoder; it also replaces {encoder} in ``checkpoint``."""
    network: str | None = Field(default=None, exclude_if=is_none)
    """``package.module:make``, a function that makes a torch module of your own, in place of
    ``checkpoint``. The module maps images to logits. The settings below are for it alone."""
    parts: list[str] | None = Field(default=None, exclude_if=is_none)
    """Names of the module's submodules, in the order in which they run."""
    head: str | None = Field(default=None, exclude_if=is_none)
    """The name in ``parts`` that is the head, which learns faster."""
    output: str | int | None = Field(default=None, exclude_if=is_none)
    """Key or position of the logits in the module's output."""
    ignored: list[int] | None = Field(default=None, exclude_if=is_none)
    """Numbers of outputs that stand for no class."""
    mean: tuple[float, float, float] | None = Field(default=None, exclude_if=is_none)
    """Mean of RGB in [0, 1] that the module expects; null takes ImageNet's."""
    deviation: tuple[Positive, Positive, Positive] | None = Field(default=None, exclude_if=is_none)
    """Standard deviation of RGB in [0, 1] that the module expects; null takes ImageNet's."""
    size: tuple[Pixels, Pixels] | None = Field(default=None, exclude_if=is_none)
    """(height, width) in pixels of an image that the module takes; driftseg tries it with one."""

    @model_validator(mode="after")
    def _one_kind(self) -> RunModelSettings:
        if (self.encoder is None) == (self.network is None):
            got = "none" if self.encoder is None else "both"
            raise ValueError(
                f"expected either encoder or network, got {got}. To fix: set one of the two"
            )
        own = ("parts", "head", "output", "ignored", "mean", "deviation", "size")
        given = [name for name in own if getattr(self, name) is not None]
        if self.network is None and given:
            raise ValueError(
                f"expected {', '.join(given)} together with network, got no network. To fix: set "
                "model.network, or leave them out"
            )
        return self


class RunConfig(Settings):
    """Settings of ``driftseg run``: one method on one schedule."""

    name: str
    """Name of the target, a part of the run's folder name: storm, dusk, my_street."""
    source_name: str = "source"
    """Name of the source, a part of the run's folder name."""
    checkpoint: str | None = None
    """A file, a Hugging Face folder or hub id (docs/checkpoints.md); null takes the bundled Town
    model."""
    weights: str | None = Field(default=None, exclude_if=is_none)
    """The set of weights, for a checkpoint that holds several: student, teacher, static, or the
    prefix of its names; null takes the student, or else the first."""
    ignore_outputs: Annotated[list[int | str], Field(min_length=1)] | None = Field(
        default=None, exclude_if=is_none
    )
    """Outputs of the model that stand for no class (void, background), by number or by their name
    in the file. They are never predicted, and ``classes`` leaves them out."""
    model: RunModelSettings | None = None
    """The network that the run expects; null takes any."""
    adapters: AdapterSettings | None = None
    """Adapters that are put into the encoder; null puts in none, except those of vida."""
    source: Data | None = None
    """Labelled source scenes for the replay. Methods that learn from the source need them."""
    target: Data
    """Frames of the stream. Each frame is predicted and scored, then learnt from."""
    evaluation: Data | None = None
    """Held-out labelled frames. They are scored in every domain's weather, before the first frame
    and after every visit; null scores none."""
    evaluations: dict[Name, Data] = {}
    """Held-out frames of single domains, in place of ``evaluation``. A name that is not in the
    schedule is scored, too, without weather."""
    classes: StatedClasses | None = Field(default=None, exclude_if=is_none)
    """Names of the model's outputs in their order, for a checkpoint that does not name them. They
    hold for folders, images, videos and cameras whose sections state no classes, too."""
    score_in: StatedClasses | None = None
    """Label space of the target and the held-out frames, where it is coarser than the model's.
    Predictions are mapped to it before they are scored. A class without a counterpart counts as
    wrong. null: both share one label space, or ``mapping`` maps the predictions."""
    mapping: StatedMapping | None = Field(default=None, exclude_if=is_none)
    """How predictions are mapped to the label space that they are scored in: each class of the
    model -> a class of the target or null, or a YAML file with these lines. null takes the built-in
    mapping."""
    home: str | None = None
    """The domain that forgetting is measured on; null takes the schedule's first."""
    schedule: PresetSettings | list[VisitSettings] = PresetSettings(preset="storm")
    """The domains in the order of the stream: a preset, or a list of visits."""
    order: Literal["sequential", "shuffled"] = "sequential"
    """Order of the frames within a visit: the target's order, or a new random order for each pass,
    as in HAMLET's code."""
    pace: PaceSettings | None = Field(default=None, exclude_if=is_none)
    """The speed of a stream that does not wait for the method (docs/protocols.md); null waits."""
    crop: tuple[Pixels, Pixels] | None = None
    """(width, height) in pixels of a random window. The method learns from such a window of each
    frame and of each source image; HAMLET: 512, 512. null takes whole frames. Held-out frames are
    always whole."""
    stream_seed: Seed = 0
    """Seed of the shuffled order and the crops. Runs with other values of ``seed`` see the same
    frames."""
    method: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)]
    """The adaptation method and its settings; `driftseg methods` lists the names."""
    calibration: CalibrationSettings | None = None
    """Calibration to the model. HAMLET needs it unless all settings of its detector are set.
    Calibrated confidence needs it, too."""
    label_free: LabelFreeSettings | None = Field(default=None, exclude_if=is_none)
    """Measures the adapted model without labels of the target; null does not."""
    guard: Guarding = Field(default=None, exclude_if=is_none)
    """Keeps adaptation from wrecking the model (docs/guard.md): a section, or ``on`` for its
    defaults. null or ``off`` guards nothing, as in research."""
    diagnostics_every: Annotated[int, Field(ge=0)] = 10
    """Frames between two measurements of every role's confidence and entropy, outside the timed
    part; 0 measures none."""
    replay: ReplaySettings = ReplaySettings()
    """How source scenes are drawn."""
    severity: NonNegativeFloat = 1.0
    """Strength of rendered rain and fog relative to the physical model; 1 is the model."""
    camera: CameraName | CameraSettings = "cityscapes"
    """The camera that sees the rendered weather: a preset by name, or a preset with changes."""
    corrupt_share: Share = 0.05
    """Largest share of the stream that may be unreadable. Such frames are skipped; with more of
    them the run stops."""
    pictures: Annotated[int, Field(ge=0)] = 0
    """Number of frames of each visit whose images are kept for the report."""
    keep_checkpoint: bool = False
    """Whether the adapted student is saved in the run's folder."""
    trackers: Tracking | None = Field(default=None, exclude_if=is_none)
    """Where the run's numbers and pictures also go: tensorboard, wandb, mlflow, or sections with
    ``kind`` (docs/experiments.md). They do not change the run."""
    out: Path = Path("runs")
    """Folder for the runs' folders."""
    seed: Seed = 0
    """Seed of everything random in adaptation."""
    weather_seed: Seed = 0
    """Seed of the drops. Runs with other values of ``seed`` see the same weather."""
    threads: PositiveInt | None = None
    """CPU threads; null leaves torch's choice."""
    device: str = "cpu"
    """Device of torch: cpu, cuda, cuda:0."""

    @model_validator(mode="after")
    def _adapters_of_the_method(self) -> RunConfig:
        return with_adapters_of_the_method(self)
