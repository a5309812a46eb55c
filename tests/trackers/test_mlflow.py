"""MLflow: a real server on loopback, and an SQLite store without one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from record_rows import (
    expected,
    feed,
    killed_and_resumed,
    lines_of_a_run,
    two_sessions,
    write_folder,
)

from driftseg.trackers.mlflow import MlflowSettings, metric_name
from driftseg.trackers.session import start_trackers

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated"  # of SQLAlchemy, met by MLflow
)


@pytest.fixture(autouse=True, scope="module")
def _nothing_phones_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("MLFLOW_"):
                patch.delenv(name)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "true")
        yield


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def only_run(uri: str, experiment: str = "driftseg") -> Any:
    here = client(uri)
    (run,) = here.search_runs([here.get_experiment_by_name(experiment).experiment_id])
    return run


def assert_whole(uri: str, experiment: str = "driftseg") -> None:
    """Every series of an uninterrupted run, each step once."""
    run = only_run(uri, experiment)
    wanted = {metric_name(name): values for name, values in expected().items()}
    assert {*run.data.metrics} == {*wanted}
    for name, values in wanted.items():
        history = client(uri).get_metric_history(run.info.run_id, name)
        found = sorted((metric.step, metric.value) for metric in history)
        np.testing.assert_allclose(found, values, err_msg=name)


def test_a_file_beside_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server: one run of two sessions, and nothing in the working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    runs = tmp_path / "runs"
    patient = MlflowSettings(patience=120)
    two_sessions([patient], runs / "a_run.partial", until=14, checkpoint=9, pictures=True)
    uri = f"sqlite:///{runs / 'mlflow.db'}"
    assert_whole(uri)
    run = only_run(uri)
    assert run.info.run_name == "a_run"
    assert run.info.status == "FINISHED"
    assert run.data.tags["seed"] == "seed 1"
    assert run.data.params["method.name"] == "dacs"
    assert run.data.params["method.train"] == "['head']"
    kept = [path.name for path in (runs / "mlflow_artifacts").rglob("*") if path.is_file()]
    assert {"config.yaml", "000005.txt"} <= {*kept}
    shown = [name for name in kept if name.startswith("pictures") and name.endswith(".png")]
    assert sorted(re.search(r"step\+(\d+)", name)[1] for name in shown) == ["12", "4", "8"]
    assert [*(tmp_path / "here").iterdir()] == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own; ended by its id."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
         "--backend-store-uri", f"sqlite:///{folder / 'store.db'}", "--workers", "1",
         "--artifacts-destination", str(folder / "artifacts")],
        stdout=log, stderr=log, cwd=folder, start_new_session=True,
    )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"{uri}/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.3)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        log.close()


@pytest.mark.slow
@pytest.mark.parametrize(("until", "checkpoint"), [(9, 9), (14, 9)])
def test_two_sessions_on_a_server(tmp_path: Path, server: str, until: int, checkpoint: int) -> None:
    experiment = f"storm {until}"
    section = MlflowSettings(tracking_uri=server, experiment=experiment, patience=120)
    two_sessions([section], tmp_path / "run", until=until, checkpoint=checkpoint, pictures=True)
    assert_whole(server, experiment)
    run = only_run(server, experiment)
    images = client(server).list_artifacts(run.info.run_id, "images")
    assert len([each for each in images if each.path.endswith(".png")]) == 3
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_a_killed_session_on_a_server(tmp_path: Path, server: str) -> None:
    section = MlflowSettings(tracking_uri=server, experiment="killed", patience=120)
    killed_and_resumed(section, tmp_path / "run")
    assert_whole(server, "killed")


@pytest.mark.slow
def test_a_server_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow itself tries for minutes."""
    section = MlflowSettings(tracking_uri="http://127.0.0.1:9", patience=1)
    before = time.monotonic()
    trackers = start_trackers([section], write_folder(tmp_path / "run"), name="a")
    feed(trackers, lines_of_a_run())
    (note,) = trackers.end("finished")
    assert time.monotonic() - before < 20
    assert note.startswith("tracker mlflow: ")
    ours = [each for each in caplog.records if each.name == "driftseg.trackers"]
    assert len(ours) == 1


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=5))
@example(["held_out_iou", "a/../b", "."])
@example(["x" * 300])
@example(["rain+fog", "sky & cloud: light"])
@example(["\u00e9t\u00e9"])
def test_every_name_is_one_that_mlflow_takes(parts: list[str]) -> None:
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

    name = metric_name("/".join(["held_out", *parts]))
    _validate_metric_name(name)
    assert len(name) <= MAX_ENTITY_KEY_LENGTH


def test_names_stay_apart_and_readable() -> None:
    assert metric_name("held_out/clear/mean_iou") == "held_out/clear/mean_iou"
    assert metric_name("pictures/rain+fog") == "pictures/rain_x2b_fog"
    names = {metric_name("x" * 300 + end) for end in "abc"}
    assert len(names) == 3


def test_records_hide_the_password_of_a_store() -> None:
    section = MlflowSettings(tracking_uri="postgresql://me:p@ss/w@host/db")
    assert section.model_dump()["tracking_uri"] == "postgresql://***@host/db"
    assert "p@ss" not in section.model_dump_json()
    assert MlflowSettings(tracking_uri="http://host:5000").model_dump()["tracking_uri"] == (
        "http://host:5000"
    )
