"""Compares the classes of a config with those of the checkpoint and the data."""

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
    """The label space of ``score_in``: a preset, a file of classes, or names."""
    if isinstance(stated, str) and not stated.endswith((".yaml", ".yml")):
        return named_space(stated, "score_in")
    found = ClassesSettings(classes=stated).stated_classes("score_in")
    assert found is not None
    return found.space


def name_classes(info: CheckpointInfo, stated: StatedClasses | None) -> CheckpointInfo:
    """The facts of a checkpoint with the config's names for its outputs.

    Args:
        info: of the checkpoint.
        stated: the config's ``classes``; None leaves the facts as they are.

    Raises:
        InputError: the file has other class names, or another number of classes.
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
    """Default label space of the target and held-out frames.

    It is that of the model, unless predictions are mapped to another label space.
    """
    told = config.score_in is not None or config.mapping is not None
    return None if told else config.classes


def with_classes(section: DatasetSettings, stated: StatedClasses | None) -> DatasetSettings:
    """A data section with the classes of the whole config, if it states none.

    Only sections that cannot know their classes take them: folders of images, and data without
    labels.

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
    """A section of data without labels or stated classes, with the model's classes.

    Such data has no labels for comparison, so its classes only name the predictions.

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
    """Raises InputError for a source with as many classes as the model, but different ones.

    A source with another number of classes raises an error where something learns from it.

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
    """The required order of the model's outputs; None if predictions are mapped."""
    return space if config.score_in is None and config.mapping is None else None


def build_scoring(
    config: RunConfig, info: CheckpointInfo, space: LabelSpace
) -> LabelMapping | None:
    """The mapping of the model's predictions to the target's label space.

    Args:
        config: its ``score_in`` or ``mapping`` asks for a mapping.
        info: of the model.
        space: the target's.

    Raises:
        InputError: the label spaces differ, and a mapping is not allowed or does not exist.
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
    """Raises InputError if the checkpoint's classes differ from the target's."""
    check_named(info)
    if info.classes != space.classes:
        raise InputError(tell_classes(info, space))
