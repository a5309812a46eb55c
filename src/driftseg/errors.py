"""The errors a user can cause and mend."""

from __future__ import annotations

from collections.abc import Mapping


class InputError(ValueError):
    """Something given from outside (file, setting, image, checkpoint) cannot be used.

    The text says what was wanted, what came and what to do. The command line prints it as one
    line and ends with exit code 2; anything else that is raised is a defect of driftseg.
    """


class MisfitError(InputError):
    """A file of one scene that can be decoded and still cannot be used.

    A label of another size, coding or ids, or an image of more than 8 bits a channel. Weather sets
    leave the scene out and count it; everything else stops.
    """


class UnknownIdsError(MisfitError):
    """A label file holds ids that its label space, or its dataset, does not define."""

    def __init__(self, text: str, ids: Mapping[int, int]):
        super().__init__(text)
        self.ids = dict(ids)
        """Pixels of each unknown id."""


class UnreadableError(InputError):
    """A file that cannot be decoded. Streams and weather sets may skip and count it."""


class OwnCodeError(InputError):
    """A user's own code cannot be imported, or fails. What it raised is the cause of this error.

    The command line prints its traceback below the one line.
    """
