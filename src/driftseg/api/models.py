"""Models to adapt: from a checkpoint, a folder, a hub id, or a torch module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeGuard

from torch import nn

from driftseg.errors import InputError, commas
from driftseg.exporting.reading import is_exported
from driftseg.labels import Colour, LabelSpace, space_of
from driftseg.models.checkpoints import CheckpointInfo, open_checkpoint
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter
from driftseg.models.wrapped import wrap
from driftseg.runs.source_model import BUNDLED
from driftseg.runs.train import use_device


@dataclass(frozen=True)
class Model:
    """A segmentation model and the classes of its outputs."""

    network: Network
    """The network that all roles share; its ``module`` is the torch module."""
    classes: tuple[str, ...]
    """Names in id order; "class 0", "class 1", ... if they are not named."""
    colours: tuple[Colour, ...]
    classes_known: bool = True
    """Whether the classes are named."""
    info: CheckpointInfo | None = None
    """The facts of its checkpoint, if it has one."""
    notes: tuple[str, ...] = field(default=())
    """Notes on how the file was read, for the reader of results."""

    @property
    def label_space(self) -> LabelSpace:
        """Classes and colours in the form of datasets."""
        return space_of(self.classes, self.colours)

    @property
    def module(self) -> nn.Module:
        """The torch module."""
        return self.network.module


def load_model(
    source: str | Path | nn.Module | Network | Model | None = None,
    *,
    classes: Sequence[str] | None = None,
    ignore_outputs: Sequence[int | str] = (),
    weights: str | None = None,
    device: str | None = None,
    **module: Any,
) -> Model:
    """Loads a model to adapt.

    Args:
        source: a checkpoint file (driftseg's, NVlabs's, HAMLET's, mmsegmentation's), a Hugging
            Face folder or hub id (SegFormer); any torch module that maps images to logits; or an
            object of your own that meets `driftseg.models.network.Network` and runs its stages one
            by one. None takes the bundled model of the procedural Town.
        classes: names of the outputs in id order, without ignored ones; None takes the file's.
        ignore_outputs: outputs that stand for no class (void), by number or, in a file that names
            its classes, by name; they are never predicted.
        weights: the set of weights in a file that holds several, ``"student"`` or ``"teacher"``.
        device: the torch device of the model. None leaves a module where it is, and takes the CPU
            for a file.
        module: settings of a torch module only: ``parts``, ``head``, ``output``, ``mean``,
            ``deviation`` and ``size``, as in `driftseg.models.wrapped.wrap`.

    Raises:
        InputError: the source cannot be read or adapted.
    """
    if isinstance(source, Model):
        return source
    if is_exported(source):
        raise InputError(
            f"{source}: expected a model that can learn, got an exported model, which only "
            "predicts. To fix: give it to driftseg predict or driftseg.load_exported, or load the "
            "checkpoint that it was exported from"
        )
    where = use_device(_device_of(source) if device is None else device)
    if isinstance(source, nn.Module) and not isinstance(source, Segmenter):
        return _of_module(source.to(where), classes, ignore_outputs, module)
    if module:
        raise InputError(
            f"load_model: expected {', '.join(module)} with a torch module, got a checkpoint, "
            "which has these settings itself. To fix: leave them out"
        )
    if isinstance(source, Segmenter) or _is_network(source):
        names = _names(classes, source.classes)
        source.module.to(where)
        return _model(source, names, classes is not None)
    if source is None:
        with as_file(files("driftseg") / "assets" / BUNDLED) as path:
            network, info = open_checkpoint(path)
    elif not isinstance(source, str | Path):
        raise InputError(
            "load_model: expected a file, a folder, a hub id or a torch module, got "
            + (
                f"the class {source.__name__}. To fix: call it, which makes a module"
                if isinstance(source, type)
                else f"{repr(source)[:80]}. To fix: give one of these"
            )
        )
    else:
        network, info = open_checkpoint(
            source, weights=weights, classes=classes, ignore_outputs=ignore_outputs
        )
    return Model(
        network.to(where),
        info.classes,
        space_of(info.classes, info.colours).colours,
        info.classes_known,
        info,
        info.notes,
    )


def _device_of(source: object) -> str:
    """Of a module or a network the one that it is on."""
    module = source if isinstance(source, nn.Module) else getattr(source, "module", None)
    first = next(module.parameters(), None) if isinstance(module, nn.Module) else None
    return "cpu" if first is None else str(first.device)


def _is_network(source: object) -> TypeGuard[Network]:
    """Whether an object of a user's own meets the network contract in name."""
    wanted = ("module", "parts", "order", "heads", "classes", "start", "levels", "logits")
    return not isinstance(source, nn.Module) and all(hasattr(source, name) for name in wanted)


def _of_module(
    module: nn.Module,
    classes: Sequence[str] | None,
    ignore_outputs: Sequence[int | str],
    settings: dict[str, Any],
) -> Model:
    known = {"parts", "head", "output", "mean", "deviation", "size"}
    if unknown := sorted(set(settings) - known):
        raise InputError(
            f"load_model: expected settings of a torch module, got {commas(unknown)}. To fix: take "
            f"some of {commas(sorted(known))}"
        )
    if isinstance(ignore_outputs, int | str) or any(type(n) is not int for n in ignore_outputs):
        raise InputError(
            "ignore_outputs: expected numbers, because outputs of a torch module have no names, "
            "got something else. To fix: give a list such as ignore_outputs=[0]"
        )
    network = wrap(module, ignored=[n for n in ignore_outputs if isinstance(n, int)], **settings)
    names = _names(classes, network.classes)
    return _model(network, names, classes is not None)


def _names(classes: Sequence[str] | None, outputs: int) -> tuple[str, ...]:
    if classes is None:
        return tuple(f"class {number}" for number in range(outputs))
    if isinstance(classes, str) or any(not isinstance(name, str) for name in classes):
        raise InputError(
            f"classes: expected a list of names, got {classes!r}. To fix: give for example "
            "classes=['road', 'car']"
        )
    if twice := sorted({name for name in classes if [*classes].count(name) > 1}):
        raise InputError(
            f"classes: expected a different name for every output, got {commas(twice)} twice. To "
            "fix: rename one of them"
        )
    if len(classes) != outputs:
        raise InputError(
            f"classes: expected {outputs} names, one for each output that stands for a class, got "
            f"{len(classes)}. To fix: name each, and list the other outputs in ignore_outputs="
        )
    return tuple(classes)


def _model(network: Network, names: tuple[str, ...], known: bool) -> Model:
    notes = () if known else ("nobody has named the model's classes; name them by classes=",)
    return Model(network, names, space_of(names).colours, known, None, notes)
