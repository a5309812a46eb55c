"""The errors a user can cause and mend."""


class InputError(ValueError):
    """Something given from outside (file, setting, image, checkpoint) cannot be used.

    The text says what was wanted, what came and what to do. The command line prints it as one
    line and ends with exit code 2; anything else that is raised is a defect of driftseg.
    """


class UnreadableError(InputError):
    """A file that cannot be decoded. A stream may skip and count it; everything else stops."""
