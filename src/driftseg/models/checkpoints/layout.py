"""The description of the tensor names in one project's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_CLASSIFIER = "classifies whole images; driftseg has no use for it"

OTHER_HEAD = "of a head that driftseg does not have"


@dataclass(frozen=True)
class EncoderNames:
    """Names of an encoder's modules: patterns with ``stage`` (and ``block``), and our suffixes."""

    first_stage: int
    """The number of the first stage in the files."""
    stage: Mapping[str, str]
    """Pattern of a module outside the blocks, and its suffix below ``encoder.stages.i``. Instead of
    ``stage`` a pattern may have the group ``before`` or ``after``, if the files number the module
    like the stage before or after its own. A module without a number belongs to the first stage."""
    block: str
    """Pattern of a module inside a block, with the groups ``stage``, ``block`` and ``inner``."""
    inner: Mapping[str, str]
    """``inner``, and its suffix below ``encoder.stages.i.blocks.j``."""

    def ours(self, module: str) -> str | None:
        """Our name of the module, or None if the table has none."""
        for pattern, ending in self.stage.items():
            if match := re.fullmatch(pattern, module):
                return f"encoder.stages.{self._stage(match)}.{ending}"
        match = re.fullmatch(self.block, module)
        if match is None or match["inner"] not in self.inner:
            return None
        stage = int(match["stage"]) - self.first_stage
        return f"encoder.stages.{stage}.blocks.{match['block']}.{self.inner[match['inner']]}"

    def _stage(self, match: re.Match[str]) -> int:
        for group, number in match.groupdict().items():
            return int(number) + _TO_OURS[group] - self.first_stage
        return 0


_TO_OURS = {"stage": 0, "before": 1, "after": -1}


@dataclass(frozen=True)
class Layout:
    """The tensor names of one project."""

    name: str
    mark: str
    """A pattern that matches a name in every such file and in no other layout."""
    prefix: str = ""
    """Optional prefix of the encoder's names."""
    encoder: EncoderNames | None = None
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Full names of modules, and our names."""
    fuse_reversed: bool = False
    """Whether the fuse convolution's input blocks are in the order [c4, c3, c2, c1]."""
    merging_unfolded: bool = False
    """Whether patch merging takes its input channel by channel, as from torch's unfold."""
    linear_convolutions: bool = False
    """Whether linear layers of the feed-forward part are 1x1 convolutions."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Pattern of a name that is left out, and the reason."""

    def ours(self, module: str) -> tuple[str, ...]:
        """Our names of a module of the file; empty if the tables have none."""
        if module in self.modules:
            return self.modules[module]
        name = self.encoder.ours(module.removeprefix(self.prefix)) if self.encoder else None
        return () if name is None else (name,)

    def why_ignored(self, name: str) -> str | None:
        """The reason for leaving out a tensor, or None if it is not left out."""
        for pattern, reason in self.ignored.items():
            if re.fullmatch(pattern, name):
                return reason
        return None
