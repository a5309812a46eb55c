"""Errors that a user can cause and correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def commas(values: Iterable[object]) -> str:
    """Values as text, separated by commas; ``none`` where there are none."""
    return ", ".join(map(str, values)) or "none"


def ranges(ids: Iterable[int]) -> str:
    """Sorted ids in short: ``0..33, 255``."""
    told: list[list[int]] = []
    for one in ids:
        if told and one == told[-1][-1] + 1:
            told[-1].append(one)
        else:
            told.append([one])
    return commas(f"{some[0]}..{some[-1]}" if len(some) > 1 else some[0] for some in told)


class InputError(ValueError):
    """Something given from outside (file, setting, image, checkpoint) cannot be used.

    The text is ``expected X, got Y. To fix: Z``. The command line prints it as one line and ends
    with exit code 2. Any other exception is a defect of driftseg.
    """


class MisfitError(InputError):
    """A file of one scene is readable, but its content does not fit.

    For example a label of another size, coding or ids, or an image of more than 8 bits a channel.
    Weather sets leave the scene out and count it. All other commands stop.
    """


class UnknownIdsError(MisfitError):
    """A label file holds ids that its label space or its dataset does not define."""

    def __init__(self, text: str, ids: Mapping[int, int]):
        super().__init__(text)
        self.ids = dict(ids)
        """Pixels of each unknown id."""


class UnreadableError(InputError):
    """A file cannot be decoded. Streams and weather sets may skip and count it."""


class OwnCodeError(InputError):
    """A user's own code cannot be imported, or it fails. Its exception is the cause of this one.

    The command line prints the traceback below the error.
    """
