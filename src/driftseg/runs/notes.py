"""What a reader of a run's numbers must know, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from driftseg.config.run import RunConfig
from driftseg.errors import UnreadableError
from driftseg.images.listing import told_unread
from driftseg.labels import LabelMapping
from driftseg.scenes.dataset import Dataset, scene_of, unread_of
from driftseg.scenes.sizes import squeezed
from driftseg.stream.schedule import Visit, domains
from driftseg.stream.stream import Stream


def make_notes(
    visits: Sequence[Visit],
    target: Dataset,
    held_out: Mapping[str, tuple[Dataset, Visit]],
    source: Dataset | None,
    stream: Stream,
) -> list[str]:
    """Repeats, protocol, weather, held-out frames, files that are not read, overlaps.

    Scenes are told apart by name, without the weather that rendered datasets put into it.
    """
    adapted = {scene_of(target.name(number)) for _, number in stream.plan}
    notes = [_repeats(visits, target, stream), _protocol(visits, stream, bool(held_out))]
    if any(not visit.conditions.clear for visit in domains(visits).values()):
        notes += _depth(target, stream)
    if not held_out:
        notes.append("no held-out frames: only the stream itself is scored, where it is labelled")
    for dataset in {id(data): data for data, _ in held_out.values()}.values():
        names = {scene_of(dataset.name(i)) for i in range(len(dataset))}
        scored = [domain for domain, (data, _) in held_out.items() if data is dataset]
        shared = len(names & adapted)
        told = (
            f"{shared} of them are named like frames of the stream"
            if shared
            else ("none of them is in the stream")
        )
        notes.append(f"{len(dataset)} held-out frames for {', '.join(scored)}: {told}")
    for data in {id(d): d for d in (target, source, *(d for d, _ in held_out.values()))}.values():
        if data is not None and (unread := told_unread(unread_of(data))):
            notes.append(unread)
        if data is not None and (shape := squeezed(data)):
            notes.append(shape)
    if source is not None:
        known = {scene_of(source.name(i)) for i in range(len(source))}
        if shared := len(known & adapted):
            notes.append(f"{shared} frames of the stream are named like source scenes")
    return notes


def mapping_notes(config: RunConfig, scoring: LabelMapping | None) -> list[str]:
    """Which labels, and whether predictions, are told in another label space than their own."""
    sections = {"target": config.target, "source": config.source, "evaluation": config.evaluation}
    sections |= {f"evaluations.{name}": data for name, data in config.evaluations.items()}
    if config.calibration is not None:
        sections["calibration.data"] = config.calibration.data
    told = {name: data.told_in() for name, data in sections.items() if data is not None}
    notes = [f"labels of {name}: {mapping.describe()}" for name, mapping in told.items() if mapping]
    if scoring is not None:
        notes.append(
            f"predictions, before they are scored: {scoring.describe()}; a prediction without a "
            "counterpart is wrong"
        )
    return notes


def _repeats(visits: Sequence[Visit], target: Dataset, stream: Stream) -> str:
    """How often the stream shows what has been shown, and perhaps learnt from, before."""
    scenes = Counter(scene_of(target.name(number)) for _, number in stream.plan)
    looks = Counter((number, visits[visit].domain) for visit, number in stream.plan)
    again, same = len(stream) - len(scenes), len(stream) - len(looks)
    note = f"{len(stream)} frames of the stream, each answered before it is learnt from"
    if again == 0:
        return note + "; no scene is shown twice"
    return (
        f"{note}; {again} of them show a scene that has been in the stream before, {same} of these "
        "in the same weather"
    )


def _protocol(visits: Sequence[Visit], stream: Stream, held_out: bool) -> str:
    """Which frames are adapted on and which are scored, in which order, how often, how much."""
    shown = "whole"
    if stream.crop is not None:
        shown = f"as random crops of {stream.crop[0]}x{stream.crop[1]}"
    scored = "the same, before they are learnt from"
    if held_out:
        scored += ", and the held-out frames, whole"
    order = "drawn anew for each visit and pass" if stream.shuffled else "the target's"
    passes = ", ".join(str(number) for number in sorted({visit.passes for visit in visits}))
    return (
        f"adapted on: the frames of the stream, {shown}; scored: {scored}; order of frames in a "
        f"visit: {order}; passes of a visit: {passes}"
    )


def _depth(target: Dataset, stream: Stream) -> list[str]:
    for _, number in stream.plan:
        try:
            return [f"weather is rendered on {stream.weather.depth_note(target.scene(number))}"]
        except UnreadableError:
            continue
    return []
