"""A weather set is read like the dataset it was made from: every layout, any format and size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layout_trees
from driftseg.scenes.datasets import layouts
from driftseg.scenes.layout import Layout, scenes
from driftseg.scenes.weather_cityscapes import WEATHER_CITYSCAPES
from driftseg.weather.camera import CITYSCAPES
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import WeatherSet, make_set
from driftseg.weather_sets.places import Format


@pytest.mark.parametrize(("kind", "size"), [("png", None), ("jpg", (48, 32))])
@pytest.mark.parametrize(
    "layout", [x for x in layouts() if x is not WEATHER_CITYSCAPES], ids=lambda x: x.name
)
def test_is_read_back(
    layout: Layout, kind: Format, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    root, out = tmp_path / "source", tmp_path / "set"
    getattr(layout_trees, layout.name)(root)
    source = scenes(layout, root, size=size)
    domains = weather_domains(fog=[75])
    make_set(WeatherSet(root, layout.name, source, domains, CITYSCAPES, size=size, kind=kind), out)
    if layout.name == "cityscapes":
        read = scenes(WEATHER_CITYSCAPES, out, size=size)
    else:
        read = scenes(layout, out / "fog" / "75m", size=size)
    there = {read.name(i).removeprefix("fog/75m/"): read.scene(i) for i in range(len(read))}
    assert there.keys() == {source.name(i) for i in range(len(source))}
    for scene in map(source.scene, range(len(source))):
        label = there[scene.name].label
        assert (label is None) == (scene.label is None)
        assert label is None or np.array_equal(label, scene.label)
