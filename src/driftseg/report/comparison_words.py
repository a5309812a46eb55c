"""A comparison in words: names of numbers, and the meaning of differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftseg.report.bootstrap import FEWEST
from driftseg.report.comparison import ENOUGH, Comparison, Difference

TITLES = {
    "over_all_visits": "mIoU over all visits, %",
    "stream_over_all_visits": "stream mIoU over all visits, %",
    "forward": "mIoU on the way out, %",
    "backward": "mIoU on the way home, %",
    "mean_of_both": "mean of both ways, %",
    "learnt_from": "learnt from, % of frames",
    "frames_per_second": "frames/s",
}


def title_of(number: str, comparison: Comparison) -> str:
    """The name of a number with its unit."""
    if number == "forgotten":
        return f"forgotten on {comparison.home}, points"
    if number in TITLES:
        return TITLES[number]
    for start, what in (("held_out_", "held-out mIoU"), ("stream_", "stream mIoU")):
        if number.startswith(start):
            visit, _, domain = number.removeprefix(start).partition("_")
            return f"{what} in {domain} (visit {visit}), %"
    return number.replace("_", " ")


def sentences(comparison: Comparison) -> list[str]:
    """The significant and the other differences, then the kind of intervals."""
    told = []
    for number in comparison.tested:
        found = comparison.of(number)
        for still in dict.fromkeys(each.against for each in found):
            parts = _of_one([each for each in found if each.against == still])
            told.append(f"{title_of(number, comparison)}, against {still}: {'; '.join(parts)}.")
    return [*told, *_explained(comparison), *(f"Note: {note}." for note in comparison.notes)]


def _of_one(found: Sequence[Difference]) -> Iterator[str]:
    for verdict in ("better", "worse", "no difference shown"):
        labels = [_counted(each) for each in found if each.verdict == verdict]
        if labels:
            yield f"{verdict}: {', '.join(labels)}"
    open_ones = [each for each in found if each.verdict == "cannot tell"]
    for reason in dict.fromkeys(each.reason for each in open_ones):
        labels = [each.label for each in open_ones if each.reason == reason]
        yield f"cannot tell: {', '.join(labels)} ({reason})"


def _counted(each: Difference) -> str:
    """The name of a group, with the number of pairs if they are few."""
    few = each.over_seeds is not None and len(each.values) < ENOUGH
    return f"{each.label} ({len(each.values)} pairs)" if few else each.label


def _unpaired(found: Sequence[Difference]) -> Iterator[str]:
    """Runs that are in the means but not in the differences."""
    seen = {each.label: each for each in found if each.unpaired}
    for each in seen.values():
        yield (
            f"{each.label}: {each.unpaired} of its runs have no counterpart in {each.against}; "
            "differences are without them."
        )


def _shared(names: Sequence[str]) -> str:
    """What pairs share; several settings of one section are named as that section."""
    roots = [name.split(".")[0] for name in names]
    told = dict.fromkeys(
        root if roots.count(root) > 1 else name for name, root in zip(names, roots, strict=True)
    )
    return " and ".join(told)


def _explained(comparison: Comparison) -> Iterator[str]:
    """The kind of intervals, and their limits."""
    found = comparison.differences
    counts = [len(each.values) for each in found if each.over_seeds is not None]
    if not found:
        return
    yield from _unpaired(found)
    if counts:
        yield (
            f"Intervals over seeds: 95 %, bootstrap of the paired differences; both runs of a pair "
            f"share {_shared(comparison.paired_by)}."
        )
    if counts and min(counts) < ENOUGH:
        few = min(counts)
        yield (
            f"{few} pairs are few: between two equal methods, about 1 comparison in "
            f"{2 ** (few - 1)} shows a difference by chance. Use {ENOUGH} or more."
        )
    if any(each.over_frames is not None for each in found):
        yield (
            "Intervals over frames: 95 %, bootstrap over blocks of the stream's frames, drawn "
            "alike for both runs. They say whether other frames of these visits could turn the "
            "difference."
        )
    if any(each.certain for each in found):
        yield "Where nothing is random in either method, one run stands for all seeds."
    if not counts and not all(each.certain for each in found):
        yield f"Fewer than {FEWEST} seeds in common say nothing of how much a difference varies."
