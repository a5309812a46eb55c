"""What it takes to describe the names of one project's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_CLASSIFIER = "classifies whole images; driftseg has no use for it"

OTHER_HEAD = "of a head that driftseg does not have"


@dataclass(frozen=True)
class EncoderNames:
    """Names of an encoder's modules: patterns with ``stage`` (and ``block``) to our endings."""

    first_stage: int
    """The number that the files give to the first stage."""
    stage: Mapping[str, str]
    """Pattern of a module outside the blocks to its ending below ``encoder.stages.i``. Instead of
    ``stage`` a pattern may have the group ``before`` or ``after``, where the files number the
    module like the stage before or after the one that it belongs to; one without a number
    belongs to the first stage."""
    block: str
    """Pattern of a module inside a block, with the groups ``stage``, ``block`` and ``inner``."""
    inner: Mapping[str, str]
    """``inner`` to its ending below ``encoder.stages.i.blocks.j``."""

    def ours(self, module: str) -> str | None:
        """Our name of the module, or None where the table has none."""
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
    """One project's way of naming."""

    name: str
    mark: str
    """A pattern that one name of every such file, and of no other layout, matches."""
    prefix: str = ""
    """What the encoder's names start with; it may be absent."""
    encoder: EncoderNames | None = None
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Modules by full name to ours."""
    fuse_reversed: bool = False
    """Whether the fuse convolution's input blocks stand as [c4, c3, c2, c1]."""
    merging_unfolded: bool = False
    """Whether patch merging takes its input channel by channel, as torch's unfold puts it out."""
    linear_convolutions: bool = False
    """Whether feed-forward's linear layers are convolutions of one pixel."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Pattern of a name that is left out, and why."""

    def ours(self, module: str) -> tuple[str, ...]:
        """Our names of a module of the file; none where the tables have none."""
        if module in self.modules:
            return self.modules[module]
        name = self.encoder.ours(module.removeprefix(self.prefix)) if self.encoder else None
        return () if name is None else (name,)

    def why_ignored(self, name: str) -> str | None:
        """The reason for leaving out a tensor, or None where it is not to be left out."""
        for pattern, reason in self.ignored.items():
            if re.fullmatch(pattern, name):
                return reason
        return None
