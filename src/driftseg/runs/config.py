"""What a user may set, checked as a whole before anything heavy starts.

Every field says its unit and where its default comes from. The sections of parts come from the
files that hold these parts; here is only what is a run's or a training's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from driftseg.labels.classes import Stated as StatedClasses
from driftseg.labels.mappings import Stated as StatedMapping
from driftseg.replay.replay import ReplaySettings
from driftseg.replay.sampling import SamplingSettings
from driftseg.replay.transforms import AugmentationSettings
from driftseg.runs.adapter_config import Adapters
from driftseg.runs.learner_config import Method
from driftseg.scenes.datasets import Data
from driftseg.settings import Name, Pixels, Seed, Settings, Share, TrainableSet
from driftseg.stream.schedule import PresetSettings, VisitSettings
from driftseg.weather.camera import CameraName, CameraSettings

Part = Literal[
    "encoder", "encoder.stage1", "encoder.stage2", "encoder.stage3", "encoder.stage4",
    "head", "early_head", "output_norms",
]  # fmt: skip


class ModelSettings(Settings):
    """The network before source training."""

    encoder: str = "mit_b0"
    head_width: PositiveInt | None = None
    """Embedding width of the heads; null takes the encoder's published one."""
    early_head: bool = True
    """Whether to build and train the head after stage 1."""
    weights: str | None = None
    """A checkpoint file, a Hugging Face folder or hub id, or ``imagenet``; null starts random."""
    head_weights: str | None = None
    """Another such source, from which both heads are taken; ``weights`` then gives the encoder
    alone."""
    may_stay_random: list[Part] = []
    """Parts that the weights need not hold; ``output_norms`` for Swin's ImageNet weights."""


class TrainConfig(Settings):
    """``driftseg train``: a source model from labelled scenes."""

    out: Path
    """Folder for checkpoints and log."""
    model: ModelSettings = ModelSettings()
    data: Data
    """Labelled source scenes to learn from."""
    validation: Data
    """Labelled scenes to choose the best checkpoint by."""
    classes: StatedClasses | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of folders of labels whose sections state none; the checkpoint keeps them."""
    augmentation: AugmentationSettings = AugmentationSettings()
    sampling: SamplingSettings = SamplingSettings(batch_size=8)
    train: TrainableSet = ["encoder", "head"]
    """The whole trainable set; leave out ``encoder`` to freeze it."""
    steps: Annotated[int, Field(ge=0)] = 2000
    """Of encoder and head; 0 trains the early head alone, on the weights given."""
    early_head_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of the early head at the end, everything else frozen; 0 leaves it untrained."""
    early_head_rare_classes: bool = False
    """Whether the early head is trained on rare classes first, too; its cross-entropy, which is
    HAMLET's drift signal, reaches further when it is not."""
    learning_rate: Annotated[float, Field(gt=0)] = 6e-5
    """Of the encoder; SegFormer's."""
    head_factor: Annotated[float, Field(gt=0)] = 10.0
    """Learning rate of the heads over the encoder's; SegFormer's."""
    weight_decay: NonNegativeFloat = 0.01
    warm_up: Annotated[int, Field(ge=0)] = 100
    """Steps of linear warm-up."""
    class_weight: Share = 0.0
    """Power of median-frequency class weights; 0 is off."""
    validate_every: PositiveInt = 500
    choose: Literal["best", "last"] = "best"
    """Whether best.safetensors is chosen by validation, or simply the last, so that no score is
    flattered by having been chosen by."""
    half: bool = False
    """Store matrices in 16 bits."""
    seed: Seed = 0
    threads: PositiveInt | None = None
    """CPU threads; null leaves torch's choice."""
    device: str = "cpu"


class CalibrationSettings(Settings):
    """Learns what fits the model, once before the run.

    The detector's window and thresholds, and confidence; `driftseg calibrate` shows what comes
    of it.
    """

    data: Data
    """Labelled source frames in stream order that the model was not trained on."""
    rain: list[Annotated[float, Field(gt=0)]] = [50.0, 100.0, 200.0]
    """Rates in mm/h rendered on them, to learn how far the signal goes; empty renders none."""


class RunModel(Settings):
    """The network a run expects."""

    encoder: str
    """The checkpoint must have this encoder; it also replaces {encoder} in ``checkpoint``."""


class RunConfig(Settings):
    """``driftseg run``: one method through one schedule."""

    name: str
    """Of the target, for the run's folder name: storm, dusk, my_street."""
    source_name: str = "source"
    """Of the source, for the run's folder name."""
    checkpoint: str | None = None
    """A driftseg checkpoint; null takes the bundled Town model."""
    model: RunModel | None = None
    adapters: Adapters | None = None
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
    classes: StatedClasses | None = Field(default=None, exclude_if=lambda value: value is None)
    """Names of the model's outputs in their order, where the checkpoint's file says none; also of
    folders, images, videos and cameras whose sections state none."""
    score_in: StatedClasses | None = None
    """A label space: what the target and the held-out frames are labelled in, where that is
    coarser than the model's. Predictions are told in it before they are scored; a class without
    a counterpart counts as wrong. null: both share one space, or ``mapping`` says how
    predictions are told in the target's."""
    mapping: StatedMapping | None = Field(default=None, exclude_if=lambda value: value is None)
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
    method: Method
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
    out: Path = Path("runs")
    seed: Seed = 0
    """Of everything random in adaptation."""
    weather_seed: Seed = 0
    """Of the drops, so that other seeds meet the same storm."""
    threads: PositiveInt | None = None
    """CPU threads; null leaves torch's choice."""
    device: str = "cpu"
