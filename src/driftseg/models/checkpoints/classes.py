"""The classes of a head's outputs, and sorting a head by given classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn

from driftseg.errors import InputError, commas
from driftseg.labels import LABEL_SPACES, LabelSpace
from driftseg.models.heads import MlpHead
from driftseg.models.segmenter import Segmenter

OWN_SPACE = "own"
"""Name of the label space of classes that are not a preset."""
UNKNOWN_SPACE = "unknown"
"""Name of the label space of a file without class names."""

_GENERIC = re.compile(r"((label|class|category|cls)[ _-]*)?\d+", re.IGNORECASE)
_NO_CLASS = {"void", "background", "unlabeled", "unlabelled", "unknown", "ignore", "other"}


def plain_name(name: str) -> str:
    """A class name without case, spaces, _ and -, which differ between projects."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def is_generic(names: Sequence[str]) -> bool:
    """Whether names are only numbers ("LABEL_0", "LABEL_1")."""
    return all(_GENERIC.fullmatch(name) for name in names)


def counted_names(outputs: int) -> tuple[str, ...]:
    """Names of outputs without class names."""
    return tuple(f"class {number}" for number in range(outputs))


def same_order(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both have the same classes in the same order, in any spelling."""
    return [plain_name(name) for name in names] == [plain_name(name) for name in others]


def same_set(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both have the same classes, each once, in any order and spelling."""
    ours, theirs = (Counter(plain_name(name) for name in each) for each in (names, others))
    return ours == theirs and max(ours.values(), default=1) == 1


def preset_of(names: Sequence[str], *, any_order: bool = False) -> LabelSpace | None:
    """The label space with these classes in this order, or in any order; None if there is none."""
    same = same_set if any_order else same_order
    return next((s for s in LABEL_SPACES.values() if same(names, s.classes)), None)


def order_head(model: Segmenter, names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Sorts the outputs of all heads in the order of other names of the same classes.

    Args:
        model: the classifiers of its main and early head are permuted in place.
        names: of its current outputs.
        wanted: the same classes in the new order.

    Returns:
        A note for the report, or None if the order was already right.

    Raises:
        InputError: the names are not of the same classes; the text names the differences.
    """
    if same_order(names, wanted):
        return None
    if not same_set(names, wanted):
        told = tell_difference(names, wanted)
        raise InputError(
            "expected a head whose outputs can be reordered to the other classes, got one that "
            f"cannot ({told}). To fix: set score_in, which scores in the other label space"
        )
    places = {plain_name(name): number for number, name in enumerate(names)}
    keep_outputs(model, [places[plain_name(name)] for name in wanted])
    first = next(i for i, name in enumerate(wanted) if places[plain_name(name)] != i)
    return (
        f"the checkpoint's classes stand in another order; its outputs were put into the order "
        f"wanted (output {first} is now {wanted[first]!r}, it was {names[first]!r})"
    )


def drop_outputs(
    model: Segmenter, names: Sequence[str], ignored: Sequence[str | int]
) -> tuple[list[int], str]:
    """Removes outputs without a class (void, background) from all heads.

    They are then never predicted: the prediction is the best of the other classes.

    Args:
        model: its classifiers are changed in place.
        names: of its outputs.
        ignored: names or numbers of the outputs to remove.

    Returns:
        The numbers of the remaining outputs, and a note for the report.

    Raises:
        InputError: there is no such output, or none would be left.
    """
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(plain_name(name), []).append(number)
    dropped: set[int] = set()
    for output in ignored:
        if isinstance(output, str) and plain_name(output) in places:
            dropped.update(places[plain_name(output)])
        elif isinstance(output, int) and 0 <= output < len(names):
            dropped.add(output)
        else:
            raise InputError(
                f"ignore_outputs: expected an output of the head, got {output!r}. To fix: take "
                f"some of {commas(names)}, or numbers from 0 to {len(names) - 1}"
            )
    left = [number for number in range(len(names)) if number not in dropped]
    if not left:
        raise InputError(
            "ignore_outputs: expected at least one output that stays, got all. To fix: keep one "
            "class at least"
        )
    keep_outputs(model, left)
    told = ", ".join(f"{number} ({names[number]})" for number in sorted(dropped))
    return left, f"outputs that stand for no class were dropped and are never answered: {told}"


def keep_outputs(model: Segmenter, outputs: Sequence[int]) -> None:
    """Reduces every head to these of its outputs, in this order."""
    for head in filter(None, (model.head, model.early_head)):
        _keep(head, torch.tensor(outputs))


def _keep(head: MlpHead, outputs: torch.Tensor) -> None:
    old = head.classifier
    assert old.bias is not None
    outputs = outputs.to(old.weight.device)
    with torch.random.fork_rng(devices=[]):  # its random values are overwritten
        new = nn.Conv2d(old.in_channels, len(outputs), 1)
    new = new.to(old.weight).requires_grad_(old.weight.requires_grad).train(old.training)
    assert new.bias is not None
    with torch.no_grad():
        new.weight.copy_(old.weight[outputs])
        new.bias.copy_(old.bias[outputs])
    head.classifier = new
    head.classes = len(outputs)


def tell_difference(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The classes that only one side has, for an error."""
    ours, theirs = ({plain_name(n) for n in each} for each in (names, wanted))
    only = [name for name in names if plain_name(name) not in theirs]
    lacking = [name for name in wanted if plain_name(name) not in ours]
    twice = [name for name, count in Counter(map(plain_name, names)).items() if count > 1]
    told = [f"only the checkpoint has {_listed(only)}"] if only else []
    told += [f"the checkpoint lacks {_listed(lacking)}"] if lacking else []
    told += [f"the checkpoint has {_listed(twice)} more than once"] if twice else []
    return "; ".join(told) or "they stand in another order"


def without_class(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Names that only the checkpoint has and that usually mean no class."""
    theirs = {plain_name(name) for name in wanted}
    return [n for n in names if plain_name(n) in _NO_CLASS and plain_name(n) not in theirs]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
