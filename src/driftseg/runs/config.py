"""What a user may set, checked as a whole before anything heavy starts.

Every field says its unit and where its default comes from. Nothing outside `runs` sees these
classes: the builder turns them into plain arguments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationInfo, field_validator

from driftseg.runs.adapter_config import Adapters
from driftseg.runs.data_config import Data
from driftseg.runs.learner_config import Method
from driftseg.runs.weather_config import CameraName, CameraSettings, WeatherAugmentation
from driftseg.settings import (
    Name,
    Pixels,
    Range,
    Seed,
    Settings,
    Share,
    TrainableSet,
    in_order,
)

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


class AugmentationSettings(Settings):
    """Random changes of source images."""

    scale: Range = (1.0, 1.0)
    """Range of enlargement before cropping back to size."""
    flip: Share = 0.5
    """Chance of mirroring left and right; HAMLET's."""
    photometric: bool = True
    """Whether brightness, contrast, saturation and hue vary (SSD's ranges, as in HAMLET)."""
    weather: WeatherAugmentation | None = None
    """Rendered before all else; null is none."""

    _ordered = field_validator("scale")(in_order)


class SamplingSettings(Settings):
    """Which source scenes are drawn."""

    rare_classes: bool = True
    """Rare-class sampling (DAFormer section 3.2), otherwise uniform."""
    temperature: Annotated[float, Field(gt=0)] = 0.01
    """Smaller prefers rare classes more; DAFormer's."""
    minimum_share: Share = 0.0014
    """Of a scene's pixels that make it a candidate for a class; 3000 of Cityscapes' pixels."""
    batch_size: PositiveInt = 1


class TrainConfig(Settings):
    """``driftseg train``: a source model from labelled scenes."""

    out: Path
    """Folder for checkpoints and log."""
    model: ModelSettings = ModelSettings()
    data: Data
    """Labelled source scenes to learn from."""
    validation: Data
    """Labelled scenes to choose the best checkpoint by."""
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


class Domain(Settings):
    """One stay of the schedule."""

    name: Name
    rain: Annotated[float, Field(ge=0)] = 0.0
    """Rate in mm/h that is rendered on the target's frames."""
    visibility: Annotated[float, Field(gt=0)] | None = None
    """Metres that one sees in the fog that is rendered on them; null is no fog."""
    night: Share = 0.0
    """0 is day, 1 is night under street lamps."""
    snow: Annotated[float, Field(ge=0)] = 0.0
    """mm/h of water that falls as snow: 0.5 is light, 1 moderate, 2.5 heavy."""
    snow_cover: Share = 0.0
    """Share of the ground, and of what looks upwards, that lies under snow; needs labels."""
    wet_road: Share = 0.0
    """How wet the ground is, from 0 to 1; needs labels."""
    lens_drops: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the picture that lies behind drops on the lens."""
    include: list[str] = []
    """Shell patterns of frame names; empty takes all of the target's."""
    frames: PositiveInt | None = None
    """Frames of this stay; null takes all that match."""
    passes: PositiveInt = 1
    """Times the frames are gone through."""


class Preset(Settings):
    """A schedule by name."""

    preset: Literal["storm", "fast_storm", "fog", "random_storm"]
    """storm: clear 25 50 75 100 200 100 75 50 25 clear mm/h; fast_storm: clear 50 100 200 100 50
    clear; fog: clear 750 375 150 75 150 375 750 m clear; random_storm: a drawn walk over the
    storm's levels, from clear to clear."""
    frames: PositiveInt | None = None
    """Frames of each visit, going on through the target; null takes all of them each time."""
    passes: PositiveInt = 1
    visits: PositiveInt | None = None
    """Of random_storm: visits, an odd number of 3 or more; null makes 21."""
    seed: Seed | None = None
    """Of random_storm: which walk; null is 0."""

    @field_validator("visits", "seed")
    @classmethod
    def _of_a_random_storm(cls, value: int | None, info: ValidationInfo) -> int | None:
        preset = info.data.get("preset", "random_storm")
        if value is not None and preset != "random_storm":
            raise ValueError(f"{preset} is one schedule; visits and seed are random_storm's")
        return value


class ReplaySettings(SamplingSettings):
    """The source buffer that adaptation draws from."""

    capacity: PositiveInt = 1000
    """Scenes held in memory; HAMLET's."""
    augmentation: AugmentationSettings = AugmentationSettings()


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
    """A file, a Hugging Face folder or hub id (docs/checkpoints.md); null takes the bundled Town
    model."""
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
    score_in: str | None = None
    """A label space: what the target and the held-out frames are labelled in, where that is
    coarser than the model's. Predictions are told in it before they are scored; a class without
    a counterpart counts as wrong. null: both share one space."""
    home: str | None = None
    """The domain that forgetting is measured on; null takes the schedule's first."""
    schedule: Preset | list[Domain] = Preset(preset="storm")
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
