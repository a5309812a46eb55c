"""The laws of methods: settings, learner and controller together, on a small stream."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from driftseg.conformance.laws import Finding, broken, check_laws
from driftseg.frame import Adaptation, Image
from driftseg.learners.answering import to_images
from driftseg.learners.settings import MethodSettings
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.models.network import Network
from driftseg.models.segmenter import build_segmenter, upsample
from driftseg.models.wrapped import wrap
from driftseg.replay.replay import ReplaySettings
from driftseg.runs.adapting import Source, make_adaptive
from driftseg.runs.states import read_state, save_state
from driftseg.town.scenes import TownScenes

SIZE = (96, 64)
"""(width, height) of the frames."""
CLASSES = 11


class MethodLaws:
    """Checks the laws of one method.

    Args:
        settings: validated.
        prepare: changes a network before roles are made, such as by adapters; or None.
    """

    def __init__(self, settings: MethodSettings, prepare: Callable[[Network], None] | None = None):
        self._settings = settings
        self._prepare = prepare
        self._source = TownScenes(seed=1, frames=4, every=20, size=SIZE)
        street = TownScenes(seed=3, frames=5, every=9, size=SIZE)
        self._frames = [street.scene(number).image for number in range(len(street))]

    def check(self) -> list[Finding]:
        """Every law with its result."""
        return check_laws(
            {
                "it can be made on driftseg's networks": self._is_made,
                "it predicts with its current weights, and learns after": self._predicts,
                "diagnostics do not change it": self._looking,
                "exactly the trainable set moves, and running statistics": self._moves,
                "saved and loaded it goes on to the last bit, in plain data": self._continues,
                "the same seed gives the same run": self._repeats,
                "a step that is not finite moves nothing": self._not_finite,
                "what says that it needs no source never reads one": self._source_free,
                "it runs on a network that driftseg did not make": self._foreign,
            }
        )

    def _network(self) -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            model = build_segmenter("mit_b0", classes=CLASSES, head_width=16)
            with torch.no_grad():
                model.head.classifier.weight.mul_(30)
        return model

    def _made(self, network: Network | None = None, *, source: bool = True) -> AdaptiveModel:
        network = self._network() if network is None else network
        own = self._settings.learner_settings.adapter_kind
        if own is not None:  # as a config without a section of adapters
            section = AdapterSettings(kind=own)
            spec = section.spec(self._settings.needs().train, method=self._settings.name)
            section.put_into(network, spec, torch.Generator().manual_seed(1))
        if self._prepare is not None:
            self._prepare(network)
        return make_adaptive(
            self._settings,
            network,
            source=Source(self._source, SIZE) if source else None,
            classes=self._source.label_space.classes,
            size=SIZE,
            replay=ReplaySettings(capacity=4, minimum_share=0.004),
        )

    def _play(self, model: AdaptiveModel, images: list[Image]) -> list[tuple[float, Adaptation]]:
        rows = []
        for image in images:
            prediction = model.predict(image)
            rows.append((prediction.confidence, model.learn()))
        return rows

    def _is_made(self) -> str:
        model = self._made()
        needs = self._settings.needs()
        return (
            f"trains {', '.join(needs.train) or 'nothing'} ({len(model.roles.trainable)} tensors)"
        )

    def _predicts(self) -> None:
        model = self._made()
        module = model.roles.network.module
        for image in self._frames[:3]:
            before = copy.deepcopy(module)
            offline = copy.deepcopy(model.roles.overlays.get("offline"))
            own = hasattr(model.learner, "output")
            told = model.answers(image)["main"] if own else None
            label = model.predict(image).label
            if told is not None:
                broken(bool((label != told).any()), "answers() and predict() differ")
            elif model.roles.norm_statistics not in ("batch", "blend_with_frame"):
                wanted = _label(before, offline, image)
                broken(
                    bool((torch.from_numpy(label) != wanted).any()),
                    "the prediction is not that of the weights before learning",
                )
            model.learn()

    def _looking(self) -> None:
        plain = self._play(self._made(), self._frames[:3])
        model = self._made()
        rows = []
        for image in self._frames[:3]:
            model.answers(self._frames[4])
            model.diagnose(self._frames[4])
            rows += self._play(model, [image])
        broken(not _equal(rows, plain), "a run with diagnostics differs from a run without")

    def _moves(self) -> str:
        model = self._made()
        module = model.roles.network.module
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        self._play(model, self._frames)
        moved = {n for n, t in module.state_dict().items() if not torch.equal(t, before[n])}
        allowed = {*model.roles.trainable, *model.roles.moving_statistics()}
        broken(bool(moved - allowed), f"moved and not to be: {sorted(moved - allowed)[:3]}")
        return f"{len(moved)} of {len(allowed)} tensors moved in {len(self._frames)} frames"

    def _continues(self) -> None:
        whole = self._play(self._made(), self._frames)
        first, second = self._made(), self._made()
        self._play(first, self._frames[:2])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.safetensors"
            save_state(path, first.state_dict(), {})
            second.load_state_dict(read_state(path)[0])
        broken(not _equal(self._play(first, self._frames[2:]), whole[2:]), "saving changes it")
        broken(
            not _equal(self._play(second, self._frames[2:]), whole[2:]),
            "the loaded model continues differently from the saved one",
        )

    def _repeats(self) -> None:
        one, other = (self._play(self._made(), self._frames[:3]) for _ in range(2))
        broken(not _equal(one, other), "two runs of one seed differ")

    def _not_finite(self) -> None:
        model = self._made()
        self._play(model, self._frames[:2])
        roles = model.roles
        module = roles.network.module
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        plain = roles.logits

        def spoilt(*given: object, **named: object) -> Tensor:
            return plain(*given, **named) * float("nan")  # type: ignore[arg-type]

        roles.logits = spoilt  # type: ignore[method-assign]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = self._play(model, self._frames[2:4])
        broken(any(row.trained for _, row in rows), "it reports that it has learnt")
        moved = [n for n, t in module.state_dict().items() if not torch.equal(t, before[n])]
        broken(bool(moved), f"moved nevertheless: {moved[:3]}")

    def _source_free(self) -> str:
        if self._settings.needs().source:
            return "it needs a source"
        self._play(self._made(source=False), self._frames[:2])
        return "it needs none"

    def _foreign(self) -> str:
        own = self._settings.learner_settings.adapter_kind
        anywhere = ANYWHERE if own is None else ANYWHERE | {"adapters"}
        if self._prepare is not None or not set(self._settings.needs().train) <= anywhere:
            return "not tried: it names parts that other networks do not have"
        module = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
            nn.Conv2d(8, CLASSES, 3, padding=1),
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            for layer in (module[0], module[3]):
                layer.reset_parameters()  # type: ignore[operator]
        self._play(self._made(wrap(module, size=(SIZE[1], SIZE[0]))), self._frames[:3])
        return "a plain torch module"


ANYWHERE = {"encoder", "head", "norms"}
"""Parts that every network has; a part may be empty."""


def _label(module: nn.Module, offline: dict[str, Tensor] | None, image: Image) -> Tensor:
    images = to_images(image, torch.device("cpu"))
    with torch.no_grad():
        scores = module(images).softmax(1)
        if offline is not None:
            module.load_state_dict(module.state_dict() | offline)
            scores = torch.maximum(scores, module(images).softmax(1))
        label: Tensor = upsample(scores.log(), (image.shape[0], image.shape[1])).argmax(1)[0]
    return label


def _equal(one: list[tuple[float, Adaptation]], other: list[tuple[float, Adaptation]]) -> bool:
    """Whether two runs are equal, except for times."""
    return [_timeless(row) for row in one] == [_timeless(row) for row in other]


def _timeless(row: tuple[float, Adaptation]) -> tuple[object, ...]:
    confidence, done = row
    plan = None if done.plan is None else {k: v for k, v in done.plan.items() if k != "costs_ms"}
    return (confidence, done.trained, done.losses, done.signal, done.event, plan)
