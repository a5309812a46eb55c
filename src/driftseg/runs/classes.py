"""What a config says of classes, held against what the checkpoint and the data say."""

from __future__ import annotations

from dataclasses import replace

from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.labels import ClassesSettings, LabelSpace, named_space
from driftseg.labels.classes import Stated as StatedClasses
from driftseg.models.checkpoints import CheckpointInfo
from driftseg.scenes.dataset import Dataset, DatasetSettings
from driftseg.scenes.folder import FolderSettings
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
            f"classes: checkpoint {info.path} names its own: {list(info.classes)}; leave classes "
            "out of the run (those of data stand in its section)"
        )
    if len(info.classes) != len(space):
        raise InputError(
            f"classes: {len(space)} are named, checkpoint {info.path} has {len(info.classes)} "
            "outputs; name one class for each, in their order"
        )
    return replace(
        info, label_space=space.name, classes=space.classes, colours=space.colours,
        classes_known=True,
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
            f"the source is labelled in {source.label_space.title}, the model predicts "
            f"{known.title}; state the source's classes in the model's order"
        )
