"""`python -m driftseg`: the driftseg command where its script is not on the path."""

from driftseg.cli.main import entry

entry()
