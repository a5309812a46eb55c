"""Notes in the record of a run, for the reader of its numbers."""

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
    *,
    learns: bool,
) -> list[str]:
    """Repeats, protocol, weather, held-out frames, files that are not read, overlaps.

    Scenes are compared by name, without the weather in the names of rendered datasets.

    Args:
        visits: of the schedule.
        target: the frames of the stream.
        held_out: held-out frames of each domain, with its visit.
        source: source scenes, if there are any.
        stream: of the run.
        learns: whether the method learns from the stream.
    """
    adapted = {scene_of(target.name(number)) for _, number in stream.plan}
    notes = [_repeats(visits, target, stream), _protocol(visits, stream, learns)]
    if any(not visit.conditions.clear for visit in domains(visits).values()):
        notes += _depth(target, stream)
    if not held_out:
        notes.append("no held-out frames: only labelled frames of the stream are scored")
    for dataset in {id(data): data for data, _ in held_out.values()}.values():
        names = {scene_of(dataset.name(i)) for i in range(len(dataset))}
        scored = [domain for domain, (data, _) in held_out.items() if data is dataset]
        shared = len(names & adapted)
        told = (
            f"{shared} of them have the name of a frame of the stream"
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
            notes.append(f"{shared} frames of the stream have the name of a source scene")
    return notes


def mapping_notes(config: RunConfig, scoring: LabelMapping | None) -> list[str]:
    """The mappings of labels and predictions to another label space."""
    sections = {"target": config.target, "source": config.source, "evaluation": config.evaluation}
    sections |= {f"evaluations.{name}": data for name, data in config.evaluations.items()}
    if config.calibration is not None:
        sections["calibration.data"] = config.calibration.data
    told = {name: data.told_in() for name, data in sections.items() if data is not None}
    notes = [f"labels of {name}: {mapping.describe()}" for name, mapping in told.items() if mapping]
    if scoring is not None:
        notes.append(
            f"predictions, before they are scored: {scoring.describe()}; a prediction without a "
            "counterpart counts as wrong"
        )
    return notes


def _repeats(visits: Sequence[Visit], target: Dataset, stream: Stream) -> str:
    """The number of frames, and of frames whose scene the stream has shown before."""
    scenes = Counter(scene_of(target.name(number)) for _, number in stream.plan)
    looks = Counter((number, visits[visit].domain) for visit, number in stream.plan)
    again, same = len(stream) - len(scenes), len(stream) - len(looks)
    if again == 0:
        return f"{len(stream)} frames; no scene is repeated"
    return f"{len(stream)} frames; {again} repeat a scene, {same} of them in the same weather"


def _protocol(visits: Sequence[Visit], stream: Stream, learns: bool) -> str:
    """The frames for scores and for learning, with the settings that are not the default."""
    told = ["scored: predictions on the stream"]
    if learns:
        told[0] += ", made before the method learns from the frame"
    if stream.crop is not None:
        told.append(f"random crops of {stream.crop[0]}x{stream.crop[1]} of each frame")
    if stream.shuffled:
        told.append("frames in random order within each visit and pass")
    passes = sorted({visit.passes for visit in visits})
    if passes != [1]:
        told.append(f"passes of a visit: {', '.join(map(str, passes))}")
    return "; ".join(told)


def _depth(target: Dataset, stream: Stream) -> list[str]:
    for _, number in stream.plan:
        try:
            return [f"weather is rendered on {stream.weather.depth_note(target.scene(number))}"]
        except UnreadableError:
            continue
    return []
