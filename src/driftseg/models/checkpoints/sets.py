"""Finds the sets of weights in a file, in any wrappers of training tools.

A wrapper is a prefix of names: a mapping with the weights (``state_dict``), or a module around the
network (``module.``, ``_orig_mod.``, ``student.``). There is no list of wrappers: a prefix is a
wrapper if the names without it have a known layout and the names with it do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.checkpoints.layout import Layout
from driftseg.models.checkpoints.names import LAYOUTS, Role
from driftseg.models.checkpoints.translation import recognise

_AVERAGED = re.compile(r"(.*_)?(ema|teacher|averaged?|shadow|swa)(_.*)?")
_STATIC = re.compile(r"(.*_)?(imnet|static)(_.*)?")
_PARALLEL = re.compile(r"((module|_orig_mod)\.)+")
"""Prefixes of torch's parallel and compiled modules."""
_BESIDE = re.compile(rf"{_AVERAGED.pattern}|{_STATIC.pattern}|student|model|module")
"""Possible prefixes of a second set if the first has none."""


@dataclass(frozen=True)
class WeightSet:
    """One network's weights in a file."""

    name: str
    """"student", "teacher" (a moving average), "static", or the wrappers if these words do not
    distinguish two sets."""
    wrappers: str
    """The prefix of the names, outermost wrapper first, separated by dots; may be empty."""
    tensors: Mapping[str, Tensor]
    """Tensors by their names without wrappers."""
    layout: Layout

    def answers_to(self, word: str) -> bool:
        """Whether a user's word means this set."""
        return word in (self.name, self.wrappers, *self.wrappers.split("."))

    def __str__(self) -> str:
        told = self.wrappers and self.wrappers != self.name
        return f"{self.name} ({self.wrappers})" if told else self.name


@dataclass(frozen=True)
class Sets:
    """All sets of a file."""

    found: tuple[WeightSet, ...]
    """The sets, students first."""
    outside: tuple[str, ...]
    """Names of tensors that belong to no set."""


def find_sets(tensors: Mapping[str, Tensor]) -> Sets:
    """Finds every set of weights of a known layout."""
    found = list(_find(tensors, ()))
    names = _told_apart([words for words, _, _ in found])
    sets = [
        WeightSet(name, ".".join(words), held, layout)
        for name, (words, held, layout) in zip(names, found, strict=True)
    ]
    sets.sort(key=lambda each: _ORDER.get(each.name, 0))
    inside = {id(tensor) for each in sets for tensor in each.tensors.values()}
    return Sets(tuple(sets), tuple(n for n, tensor in tensors.items() if id(tensor) not in inside))


_ORDER = {"teacher": 1, "static": 2}


def choose_set(path: str, tensors: Mapping[str, Tensor], weights: str | None) -> WeightSet:
    """The set that the user names.

    Args:
        path: of the file, for errors.
        tensors: of the file, by their full names.
        weights: "student", "teacher", "static", or wrappers; None takes the first set.

    Raises:
        InputError: the file is of no known layout, or has no such set, or more than one.
    """
    sets = find_sets(tensors).found
    if not sets:
        if any(re.search(r"\.lora_[AB]\b|\.lora_embedding", name) for name in tensors):
            raise InputError(
                f"{path}: expected a network, got adapters of PEFT alone. To fix: load both "
                "with PEFT, and save model.merge_and_unload()"
            )
        first = ", ".join(list(tensors)[:3])
        known = ", ".join(layout.name for layout in LAYOUTS)
        raise InputError(
            f"{path}: expected one of the layouts {known}, got names that begin {first}. To fix: "
            "convert the file to one of these layouts"
        )
    if weights is None:
        return sets[0]
    chosen = [each for each in sets if each.answers_to(weights)]
    exact = [each for each in chosen if weights in (each.name, each.wrappers)]
    chosen = exact if len(exact) == 1 else chosen
    if not chosen:
        raise InputError(
            f"{path}: expected a set of weights of the file, got {weights!r}. To fix: choose from "
            f"{tell_sets(sets)}"
        )
    if len(chosen) > 1:
        raise InputError(
            f"{path}: expected the name of one set of weights, got {weights!r}, the name of "
            f"{len(chosen)} sets. To fix: choose one of "
            f"{', '.join(each.wrappers for each in chosen)}"
        )
    return chosen[0]


def choose_role(path: str, tensors: Mapping[str, Tensor], role: Role) -> WeightSet:
    """The set of a role of HAMLET's and DAFormer's training; InputError if there is none."""
    sets = find_sets(tensors).found
    roles = [each.name for each in sets]
    if sets and role not in roles and (role != "student" or set(roles) & _ORDER.keys()):
        raise InputError(
            f"{path}: expected a network of the role {role}, got none. To fix: choose the role "
            f"from {roles}"
        )
    return choose_set(path, tensors, role if role in roles else None)


def set_notes(tensors: Mapping[str, Tensor], chosen: WeightSet) -> list[str]:
    """Notes on the choice: other sets, and tensors outside all sets."""
    sets = find_sets(tensors)
    notes = []
    if len(sets.found) > 1:
        notes.append(
            f"the file holds {len(sets.found)} sets of weights: {tell_sets(sets.found)}; {chosen} "
            "was taken; weights chooses another"
        )
    if sets.outside:
        more = ", ..." if len(sets.outside) > 3 else ""
        notes.append(
            "some tensors of the file belong to no network that driftseg knows and were left out: "
            f"{', '.join(sets.outside[:3])}{more}"
        )
    return notes


def tell_sets(sets: Sequence[WeightSet]) -> str:
    """The sets' names as text."""
    return ", ".join(str(each) for each in sets)


_Found = tuple[tuple[str, ...], dict[str, Tensor], Layout]


def _find(tensors: Mapping[str, Tensor], words: tuple[str, ...]) -> Iterator[_Found]:
    # these two prefixes can be before any module of a network
    tensors = {name[_length(name) :]: tensor for name, tensor in tensors.items()}
    families: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            families.setdefault(first, {})[rest] = tensor
    layout = recognise(tensors)
    if layout is not None:
        beside = [first for first in families if _BESIDE.fullmatch(first)]
        own = {n: t for n, t in tensors.items() if n.partition(".")[0] not in beside}
        yield words, own, layout
        families = {first: families[first] for first in beside}
    for first, held in families.items():
        yield from _find(held, (*words, first))


def _length(name: str) -> int:
    match = _PARALLEL.match(name)
    return match.end() if match else 0


def _told_apart(wrappers: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each set: its kind, or its wrappers if two sets have the same kind."""
    kinds = [_kind(words) for words in wrappers]
    return [
        kind if kinds.count(kind) == 1 or not words else ".".join(words)
        for kind, words in zip(kinds, wrappers, strict=True)
    ]


def _kind(words: Sequence[str]) -> str:
    for word in reversed(words):  # the innermost word is nearest to the network
        if _STATIC.fullmatch(word):
            return "static"
        if _AVERAGED.fullmatch(word):
            return "teacher"
    return "student"
