"""Networks of one's own through the public API."""

from __future__ import annotations

import pytest
import torch

import driftseg
from driftseg import InputError
from driftseg.models.network import Walk

SIZE = (96, 64)


@pytest.fixture(scope="module")
def drive():
    town = driftseg.load_dataset("town", seed=2, frames=2, every=9, size=SIZE)
    return [town.scene(number).image for number in range(len(town))]


class TwoStages:
    """The network contract by hand: a stem and a head, walked one after the other."""

    undecayed = frozenset()
    classes = 11
    order = ("stem",)
    heads = {"main": "head"}

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.module = torch.nn.ModuleDict(
                {"stem": torch.nn.Conv2d(3, 8, 4, 4), "head": torch.nn.Conv2d(8, 11, 1)}
            )
        self.walked = 0

    @property
    def parts(self):
        return {
            part: [f"{part}.{name}" for name, _ in self.module[part].named_parameters()]
            for part in ("stem", "head")
        }

    def upstream(self, part):
        return frozenset({"stem"})

    def start(self, images):
        return Walk(images)

    def prefix(self, walk, count):
        return self._stem(walk, {}) if count else walk

    def levels(self, walk, overlay, depth=None):
        return (walk if walk.levels else self._stem(walk, overlay)).levels

    def _stem(self, walk, overlay):
        self.walked += 1
        x = self._call("stem", overlay, walk.x).relu()
        return Walk(x, (x,))

    def logits(self, levels, overlay, head="main"):
        return self._call("head", overlay, levels[0])

    def _call(self, part, overlay, x):
        mine = {n.partition(".")[2]: t for n, t in overlay.items() if n.startswith(f"{part}.")}
        return torch.func.functional_call(self.module[part], mine, (x,))

    def training_modules(self, part):
        return ()

    def silent(self):
        return {}


def test_a_network_whose_stages_its_owner_knows(drive) -> None:
    """The stem is frozen, so it is walked once a frame for student and teacher together."""
    network = TwoStages()
    source = driftseg.load_dataset("town", seed=1, frames=4, every=20, size=SIZE)
    adapter = driftseg.adapt(driftseg.load_model(network), "dacs", source=source, train=["head"],
                             guard="off",  # whose probes walk, too
                             replay={"minimum_share": 0.004})  # fmt: skip
    adapter.predict(drive[0])
    adapter.learn()
    network.walked = 0
    adapter.predict(drive[1])
    adapter.learn()
    assert network.walked == 3  # the frame, the source, and what was mixed of both
    assert adapter.state().learns == ("head",)


class Picky(torch.nn.Module):
    """As many networks with skips: sides must be multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.Conv2d(3, 5, 32, 32)

    def forward(self, x):
        return torch.nn.functional.interpolate(self.down(x), scale_factor=32) + x.mean() + x[:, :1]


def test_an_image_of_a_size_that_the_model_does_not_take(drive) -> None:
    adapter = driftseg.adapt(Picky(), "source_only")
    assert adapter.predict(drive[0]).label.shape == (64, 96)
    with pytest.raises(
        InputError,
        match=r"expected a module that takes images of shape \(1, "
        r"3, 40, 96\), got RuntimeError: The size of tensor a "
        r"\(32\) must.*bring",
    ):
        adapter.predict(drive[0][:40])


def test_a_network_with_one_output_is_refused() -> None:
    """It would answer class 0 everywhere, surely, and learn nothing."""
    one = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 1, 1))
    with pytest.raises(InputError, match=r"at least two classes, got 1\. To fix: give a model of"):
        driftseg.load_model(one)
    two = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 2, 1))
    assert len(driftseg.load_model(two).classes) == 2
