"""From a sweep file to configs: without Ray, and without making anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.sweeps.expansion import Expansion, expand, read_sweep
from driftseg.sweeps.settings import SweepSettings
from tiny_runs import tiny_values


@pytest.fixture
def sweep(tmp_path: Path):
    """Reads a sweep file of these values; its base is a tiny run."""
    base = tiny_values(Path("tiny.safetensors"), tmp_path / "runs")
    del base["threads"]
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))

    def read(**values: object) -> tuple[SweepSettings, Expansion]:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({"base": "base.yaml", **values}, sort_keys=False))
        settings = read_sweep(path)
        return settings, expand(settings, "mine.yaml")

    return read


def test_the_last_key_of_a_grid_varies_fastest(sweep) -> None:
    settings, found = sweep(grid={"method.name": ["dacs", "replay_only"], "seed": [1, 0]})
    assert [point.label for point in found.points] == [
        "dacs s1", "dacs s0", "replay_only s1", "replay_only s0",
    ]  # fmt: skip
    assert [(p.config.method.name, p.config.seed) for p in found.points] == [
        ("dacs", 1), ("dacs", 0), ("replay_only", 1), ("replay_only", 0),
    ]  # fmt: skip
    assert settings.name == "mine"
    assert settings.out == Path("sweeps/mine")
    assert found.combinations == 4
    assert not found.notes


def test_every_change_of_a_list_meets_the_grid(sweep) -> None:
    _, found = sweep(
        runs=[{"method": {"name": "dacs", "learning_rate": 3e-5}}, {"method.name": "replay_only"}],
        grid={"seed": [0, 1]},
        changes={"severity": 0.5},
        threads=2,
    )
    assert [point.label for point in found.points] == [
        "dacs s0", "dacs s1", "replay_only s0", "replay_only s1",
    ]  # fmt: skip
    assert found.points[0].config.method.learning_rate == pytest.approx(3e-5)
    assert all(point.config.severity == 0.5 for point in found.points)
    assert all(point.config.threads == 2 for point in found.points)
    assert len({point.key for point in found.points}) == 4


def test_what_names_a_part_is_changed_first(sweep) -> None:
    _, found = sweep(
        grid={"method.learning_rate": [1e-4, 1e-3], "method.name": ["tent"]},
    )
    assert [point.config.method.learning_rate for point in found.points] == [1e-4, 1e-3]
    assert [point.label for point in found.points] == [
        "learning_rate=0.0001", "learning_rate=0.001",
    ]  # fmt: skip


def test_what_does_not_depend_on_the_seed_is_run_once(sweep) -> None:
    _, found = sweep(
        grid={"method.name": ["source_only", "tent", "norm_statistics", "dacs"], "seed": [3, 4]}
    )
    assert [point.label for point in found.points] == [
        "source_only", "tent", "norm_statistics", "dacs s3", "dacs s4",
    ]  # fmt: skip
    assert [point.any_seed for point in found.points] == [True, True, True, False, False]
    assert found.points[0].config.seed == 3
    assert found.combinations == 8
    assert found.notes[0] == (
        "source_only does not depend on the seed: 1 combination left out, each config is run once"
    )


def test_untrained_adapters_depend_on_the_seed(sweep) -> None:
    adapters = {"kind": "convolution", "ratio": 0.25}
    _, found = sweep(changes={"method": {"name": "tent"}, "adapters": adapters},
                     grid={"seed": [0, 1]})  # fmt: skip
    assert len(found.points) == 2


def test_a_calibration_counts_only_where_the_method_uses_it(sweep) -> None:
    calibration = {"data": {"kind": "town", "frames": 2, "size": [128, 96]}}
    _, found = sweep(changes={"calibration": calibration},
                     grid={"method.name": ["source_only", "dacs"], "seed": [0, 1]})  # fmt: skip
    assert [point.any_seed for point in found.points] == [True, False, False]


def test_equal_combinations_are_one_run(sweep) -> None:
    _, found = sweep(grid={"seed": [0, 0, 1]})
    assert len(found.points) == 2
    assert found.notes == ("dacs: 1 combination left out, equal to others of the list",)


def test_schedules_get_short_names_where_they_suffice(sweep) -> None:
    short, long = {"preset": "storm", "frames": 1}, {"preset": "storm", "frames": 2}
    visits = [{"name": "clear", "frames": 1}, {"name": "wet", "rain": 50, "frames": 1}]
    _, found = sweep(grid={"schedule": [short, visits]})
    assert [point.label for point in found.points] == ["storm", "clear-wet"]
    _, found = sweep(grid={"schedule": [short, long]})
    assert [point.label for point in found.points] == [
        "schedule={frames: 1, preset: storm}", "schedule={frames: 2, preset: storm}",
    ]  # fmt: skip


def test_a_key_does_not_depend_on_the_order_of_the_file(sweep) -> None:
    _, one = sweep(grid={"seed": [0, 1], "method.name": ["dacs", "replay_only"]})
    _, other = sweep(grid={"method.name": ["replay_only", "dacs"], "seed": [1, 0]}, threads=1)
    assert {point.key for point in one.points} == {point.key for point in other.points}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gird": {"seed": [0]}}, "did you mean 'grid'?"),
        ({}, "expected grid or runs, got neither"),
        ({"grid": {"seed": []}}, "grid.seed: expected a list of values, got an empty one"),
        ({"grid": {"method.lerning_rate": [1]}}, "did you mean 'method.learning_rate'?"),
        ({"grid": {"sed": [1]}}, "mine.yaml: run with no change: expected a known key, got 'sed'"),
        ({"grid": {"seed": [0, -1]}}, "mine.yaml: run with seed=-1: seed:"),
        ({"grid": {"method.name": ["tent", "dasc"]}}, "run with method.name=dasc"),
        ({"grid": {"target.0.size": [1]}}, "mine.yaml: run with no change"),
        ({"grid": {"seed": [0]}, "resources": {"memory": "2 XB"}}, "expected bytes, such as 2 GiB"),
        ({"grid": {"seed": [0]}, "retries": -1}, "retries"),
        ({"grid": {"seed": 3}}, "grid.seed"),
    ],
)
def test_mistakes_are_one_line(sweep, values: dict, told: str) -> None:
    with pytest.raises(InputError) as error:
        sweep(**values)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert "--set" not in str(error.value)


def test_a_missing_base_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: nothing.yaml\ngrid: {seed: [0]}\n")
    with pytest.raises(InputError, match=r"nothing\.yaml: "):
        expand(read_sweep(path), "mine.yaml")


def test_memory_is_bytes_or_text(sweep) -> None:
    settings, _ = sweep(grid={"seed": [0]}, resources={"memory": "1.5 GiB", "gpus": 0.5})
    assert settings.resources.memory == 3 * 2**29
    settings, _ = sweep(grid={"seed": [0]}, resources={"memory": 1000})
    assert settings.resources.memory == 1000


@pytest.mark.parametrize(
    ("values", "told"), [({}, "driftseg sweep"), ({"methods": {}}, "driftseg tune")]
)
def test_other_commands_say_whose_file_it_is(tmp_path: Path, values: dict, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": "base.yaml", **values}))
    with pytest.raises(InputError, match=f"got a file for {told}"):
        read_config(path, RunConfig)
