"""driftseg adapt and driftseg predict, on a video, a folder or a camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from driftseg.cli.options import Threads
from driftseg.cli.texts import parse_size
from driftseg.errors import InputError

if TYPE_CHECKING:
    from driftseg import LivePage
    from driftseg.api.driving import Drove

Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="video, folder of images, file pattern, camera number, or stream address",
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="file, Hugging Face folder or hub id; default: the bundled Town model"),
]
Out = Annotated[Path | None, typer.Option(help="a new folder for the results")]
Save = Annotated[
    list[str] | None,
    typer.Option(help="labels, overlays, video or probabilities; repeatable; needs --out"),
]
Size = Annotated[
    str | None, typer.Option(help="WIDTHxHEIGHT to shrink frames to; default: longer side 1024")
]
Stop = Annotated[int | None, typer.Option(min=1, help="number of the frame to stop before")]
Every = Annotated[int, typer.Option(min=1, help="use every n-th frame")]
Live = Annotated[bool, typer.Option("--live", help="show the drive on a local web page")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="port of the live page; default: a free one")
]


def adapt(
    source: Input,
    checkpoint: Checkpoint = None,
    method: Annotated[
        str | None,
        typer.Option(help="name from driftseg methods; default: auto with --source, else alpha_bn"),
    ] = None,
    labelled: Annotated[
        str | None,
        typer.Option(
            "--source", help="labelled source images: KIND=FOLDER, e.g. camvid=data/camvid"
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="one setting of the method, e.g. --set learning_rate=1e-4; repeatable"
        ),
    ] = None,
    out: Out = None,
    save: Save = None,
    keep_model: Annotated[
        bool, typer.Option("--keep-model", help="write the adapted model to --out at the end")
    ] = False,
    size: Size = None,
    stop: Stop = None,
    every: Every = 1,
    live: Live = False,
    port: Port = None,
    threads: Threads = None,
) -> None:
    """Adapt a model to a drive while it runs.

    The model predicts each frame, then the method learns from it. Without labelled source images
    the default method is one that needs none. Ctrl-C ends the drive and keeps the results of the
    finished frames.
    """
    from driftseg.api.driving import WITHOUT_SOURCE

    if labelled is None and method is None:
        _say(f"no --source is given, so the method is {WITHOUT_SOURCE}, which needs no labels")
    settings = _settings(change or ())
    if method is not None:
        settings["method"] = method
    if keep_model:
        settings["keep_model"] = True
    _drive(
        source, checkpoint, labelled, settings, out, save, size, stop, every, threads, live, port
    )  # fmt: skip


def predict(
    source: Input,
    checkpoint: Checkpoint = None,
    backend: Annotated[
        str | None,
        typer.Option(help="onnxruntime or openvino, for an exported .onnx or .xml file"),
    ] = None,
    out: Out = None,
    save: Save = None,
    size: Size = None,
    stop: Stop = None,
    every: Every = 1,
    live: Live = False,
    port: Port = None,
    threads: Threads = None,
) -> None:
    """Predict every frame of a drive, without learning.

    Use it to compare with driftseg adapt.
    """
    given = {"learn": False, "backend": backend}
    _drive(source, checkpoint, None, given, out, save, size, stop, every, threads, live, port)


def _drive(
    source: str,
    checkpoint: str | None,
    labelled: str | None,
    settings: dict[str, Any],
    out: Path | None,
    save: list[str] | None,
    size: str | None,
    stop: int | None,
    every: int,
    threads: int | None,
    live: bool,
    port: int | None,
) -> None:
    from driftseg.api import commands
    from driftseg.api.driving import drive

    commands.use_threads(threads)
    if port is not None and not live:
        raise InputError(
            f"--port {port}: expected --live, which shows the page, got --port alone. To fix: add "
            "--live"
        )
    page = _page(port) if live else None
    if checkpoint is None:
        _say("no --checkpoint is given: the bundled model was trained on procedural streets only")
    given: str | int = int(source) if source.isdecimal() else source
    with _Watch(Console()) as watch:
        try:
            done = drive(
                given, checkpoint, labelled=_labelled(labelled),
                save=kinds_of(save), out=out,
                size=None if size is None else parse_size(size), stop=stop, every=every,
                watch=watch, live=page, **settings,
            )  # fmt: skip
        except KeyboardInterrupt:
            _say(f"stopped after {watch.frames} frames; their results are kept")
            raise typer.Exit(130) from None
    _say(f"{done.frame} frames at {done.frames_per_second:.1f} frames/s, {done.method}")
    if done.out is not None:
        kept = ", ".join(f"{count} {kind}" for kind, count in done.saved.items())
        _say(f"written to {done.out}: {kept}")


def _page(port: int | None) -> LivePage:
    """Makes the live page and prints its address."""
    from driftseg import LivePage

    page = LivePage(port or 0)
    _say(f"live page, on this computer only: {page.url}")
    return page


class _Watch:
    """A progress bar, with an estimate of the time after the first frames."""

    def __init__(self, console: Console):
        self.frames = 0
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("driving", total=None, facts="")

    def __enter__(self) -> _Watch:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, state: Drove) -> None:
        from driftseg.api.driving import TRIED

        self.frames = state.frame
        if state.frame == TRIED:
            _say(_estimate(state))
        facts = f"{state.frames_per_second:.1f} frames/s {'learnt' if state.learnt else ''}"
        self._bar.update(self._task, completed=state.frame, total=state.frames, facts=facts)


def _estimate(state: Drove) -> str:
    size = f"{state.size[0]}x{state.size[1]}"
    told = f"{size}, about {state.frames_per_second:.1f} frames/s with {state.method}"
    if state.frames is not None:
        seconds = state.frames / state.frames_per_second
        told += f": {_duration(seconds)} for {state.frames} frames; a smaller --size is faster"
    return told


def _duration(seconds: float) -> str:
    return f"{max(seconds, 1):.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _settings(changes: list[str] | tuple[str, ...]) -> dict[str, Any]:
    from driftseg.api import commands

    return commands.changed({}, changes)


def kinds_of(save: list[str] | None) -> list[str]:
    """The values of ``--save``, given several times or with commas."""
    return [kind for given in save or () for kind in given.split(",") if kind]


def _labelled(given: str | None) -> Any:
    from driftseg.api import commands

    if given is None:
        return None
    kind, equals, root = given.partition("=")
    if not equals:
        raise InputError(
            f"--source: expected KIND=FOLDER, got {given!r}. To fix: write for example --source "
            "camvid=data/camvid"
        )
    return commands.load_dataset(kind, root)


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
