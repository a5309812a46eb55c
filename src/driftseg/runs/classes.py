"""What a config says of classes, held against what the checkpoint and the data say."""

from __future__ import annotations

from dataclasses import replace

from driftseg.config.run import RunConfig
from driftseg.errors import InputError, commas
from driftseg.labels import (
    LABEL_SPACES,
    MAPPINGS,
    ClassesSettings,
    LabelMapping,
    LabelSpace,
    mapping_between,
    named_space,
    space_of,
)
from driftseg.labels.classes import ClassSettings
from driftseg.labels.classes import Stated as StatedClasses
from driftseg.models.checkpoints import CheckpointInfo, check_named, tell_classes
from driftseg.scenes.dataset import Dataset, DatasetSettings
from driftseg.scenes.folder import FolderSettings, classes_of_folder
from driftseg.scenes.frames import UnlabelledSettings


def scoring_space(stated: StatedClasses) -> LabelSpace:
    """What ``score_in`` says: a preset, a file of classes, or their names."""
    if isinstance(stated, str) and not stated.endswith((".yaml", ".yml")):
        return named_space(stated, "score_in")
    found = ClassesSettings(classes=stated).stated_classes("score_in")
    assert found is not None
    return found.space


def name_classes(info: CheckpointInfo, stated: StatedClasses | None) -> CheckpointInfo:
    """The facts of a checkpoint, with the names that a config gives to its outputs.

    Args:
        info: of the checkpoint.
        stated: the config's ``classes``; None leaves the facts as they are.

    Raises:
        InputError: the file names its classes itself, and otherwise, or it has another number.
    """
    found = ClassesSettings(classes=stated).stated_classes()
    if found is None:
        return info
    space = found.space
    if info.classes_known and info.classes != space.classes:
        raise InputError(
            f"classes: expected no class names, because checkpoint {info.path} has its own "
            f"({', '.join(info.classes)}), got classes. To fix: leave out classes; classes of data "
            "stand in its section"
        )
    if len(info.classes) != len(space):
        raise InputError(
            f"classes: expected {len(info.classes)} names, one for each output of checkpoint "
            f"{info.path}, got {len(space)}. To fix: name one class for each output, in order"
        )
    return replace(
        info, label_space=space.name, classes=space.classes, colours=space.colours,
        classes_known=True, notes=tuple(n for n in info.notes if "are not known" not in n),
    )  # fmt: skip


def data_classes(config: RunConfig) -> StatedClasses | None:
    """What the target and held-out frames are labelled in, where their sections do not say.

    That is what the model predicts in, unless predictions are told in another space.
    """
    told = config.score_in is not None or config.mapping is not None
    return None if told else config.classes


def with_classes(section: DatasetSettings, stated: StatedClasses | None) -> DatasetSettings:
    """A data section that takes its classes from the whole config, where it states none itself.

    Only sections that cannot know their classes do: folders of images, and sources without labels.

    Args:
        section: of the config.
        stated: the config's ``classes``; None leaves the section as it is.
    """
    if not isinstance(section, FolderSettings | UnlabelledSettings) or stated is None:
        return section
    default = type(section).model_fields["label_space"].get_default()
    if section.classes is not None or section.label_space != default:
        return section
    return section.model_copy(update={"classes": stated})


def with_model_classes(section: DatasetSettings, info: CheckpointInfo) -> DatasetSettings:
    """A section of data without labels that states no classes: it takes the model's.

    Nothing of such data is compared with a label, so its classes only say what predictions mean.

    Args:
        section: of the config, after `with_classes`.
        info: of the checkpoint; one that does not name its classes leaves the section as it is.
    """
    if not isinstance(section, FolderSettings | UnlabelledSettings) or not info.classes_known:
        return section
    if isinstance(section, FolderSettings) and (
        section.labels is not None or classes_of_folder(section.root, None) is not None
    ):
        return section
    preset = LABEL_SPACES.get(info.label_space)
    if preset is not None and preset.classes == info.classes:
        return with_classes(section, preset.name)
    pairs = zip(info.classes, info.colours, strict=True)
    return with_classes(section, [ClassSettings(name=name, colour=c) for name, c in pairs])


def check_same_number(source: Dataset | None, known: LabelSpace) -> None:
    """Refuses a source that has as many classes as the model, and others.

    A source of another number is refused where something learns from it.

    Raises:
        InputError: the names or their order differ.
    """
    if source is None or len(source.label_space) != len(known):
        return
    if source.label_space.classes != known.classes:
        raise InputError(
            f"source: expected labels in the classes of the model, {known.title}, got "
            f"{source.label_space.title}. To fix: state the classes of the source in the order of "
            "the model"
        )


def wanted_order(config: RunConfig, space: LabelSpace) -> LabelSpace | None:
    """In which the model's outputs are to stand; None where predictions are told otherwise."""
    return space if config.score_in is None and config.mapping is None else None


def build_scoring(
    config: RunConfig, info: CheckpointInfo, space: LabelSpace
) -> LabelMapping | None:
    """How the model's predictions are told in the target's label space.

    Args:
        config: whose ``score_in`` or ``mapping`` says that they are to be.
        info: of the model.
        space: the target's.

    Raises:
        InputError: they are not of one space and may not, or cannot, be told in it.
    """
    if config.score_in is None and config.mapping is None:
        check_classes(info, space)
        return None
    if config.score_in is not None:
        wanted = scoring_space(config.score_in)
        if space != wanted:
            raise InputError(
                f"score_in: expected the label space of the target, {space.title}, got "
                f"{wanted.title}. To fix: set score_in to {space.name}, or target.label_space "
                f"to {wanted.name}"
            )
    mapping = mapping_between(model_space(info), space, config.mapping)
    if mapping is None:
        known = [target for source, target in MAPPINGS if source == info.label_space]
        raise InputError(
            f"score_in: expected a label space that predictions in {info.label_space} can be "
            f"mapped to, got {space.title}. To fix: set score_in to one of {commas(known)}, or "
            "set mapping"
        )
    return mapping


def model_space(info: CheckpointInfo) -> LabelSpace:
    """The label space that a checkpoint predicts in."""
    check_named(info)
    preset = LABEL_SPACES.get(info.label_space)
    if preset is None:
        return space_of(info.classes, info.colours)
    if info.classes != preset.classes:
        raise InputError(
            f"checkpoint {info.path}: expected the classes of {preset.name}, which it names, got "
            f"{len(info.classes)} other classes. To fix: score in the label space of the "
            "checkpoint"
        )
    return preset


def check_classes(info: CheckpointInfo, space: LabelSpace) -> None:
    """Refuses a checkpoint of other classes than the target's."""
    check_named(info)
    if info.classes != space.classes:
        raise InputError(tell_classes(info, space))
