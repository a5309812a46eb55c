"""MLflow: a server, or an SQLite file beside the runs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_serializer

from driftseg.trackers.contract import Item, RunFacts, Started, State, TrackerSettings
from driftseg.trackers.naming import flat

METRICS_AT_ONCE, PARAMS_AT_ONCE = 1000, 100
"""MLflow's limits for one call."""
LONGEST_NAME, LONGEST_VALUE = 250, 6000
"""Characters."""
STATUS: Mapping[State, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SQLITE = "sqlite:///"


class MlflowSettings(TrackerSettings):
    """``mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`` shows the runs."""

    requires: ClassVar = {"mlflow": "pip install 'driftseg[mlflow]'"}

    kind: Literal["mlflow"] = "mlflow"
    tracking_uri: str | None = None
    """Address of a server or store, as http://127.0.0.1:5000; null takes the environment variable
    MLFLOW_TRACKING_URI, or else the file ``mlflow.db`` in the folder of all runs. Put an address
    with a password into that variable, because records hide the password."""
    experiment: str = "driftseg"

    @field_serializer("tracking_uri")
    def _without_secrets(self, uri: str | None) -> str | None:
        return None if uri is None else re.sub(r"(?<=://).*@", "***@", uri)

    def make(self) -> MlflowTracker:
        """The tracker."""
        return MlflowTracker(self.tracking_uri, self.experiment)


class MlflowTracker:
    """One run of MLflow.

    Args:
        uri: of the store; None as in the settings.
        experiment: made if it does not exist.
    """

    def __init__(self, uri: str | None, experiment: str):
        self._uri = uri
        self._experiment = experiment
        self._client: Any = None
        self._id = ""

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        """The identity is MLflow's run id."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # all before the import
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        from mlflow import MlflowClient

        own = f"{SQLITE}{run.out.absolute() / 'mlflow.db'}"
        uri = self._uri or os.environ.get("MLFLOW_TRACKING_URI") or own
        self._client = MlflowClient(tracking_uri=uri)
        where = f"experiment {self._experiment}"
        if resumed is not None:
            self._id = resumed
            self._client.update_run(resumed, status="RUNNING")
            latest = self._client.get_run(resumed).data.to_proto().metrics
            known = {metric.key: metric.step for metric in latest}
            return Started(resumed, where, known, max(known.values(), default=-1))
        made = self._client.create_run(
            self._experiment_id(uri), run_name=run.name, tags=dict(run.tags)
        )
        self._id = made.info.run_id
        self._log_config(run.config)
        return Started(self._id, where)

    def _experiment_id(self, uri: str) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        artifacts = None
        if uri.startswith(SQLITE):  # otherwise they go to the working directory
            file = Path(uri.removeprefix(SQLITE)).absolute()
            artifacts = (file.parent / "mlflow_artifacts").as_uri()
        try:
            return str(self._client.create_experiment(self._experiment, artifacts))
        except Exception:  # another run has just made it
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                raise
            return str(found.experiment_id)

    def _log_config(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [
            Param(metric_name(name.replace("/", ".")), str(value)[:LONGEST_VALUE])
            for name, value in flat(config).items()
        ]
        for first in range(0, len(params), PARAMS_AT_ONCE):
            self._client.log_batch(self._id, params=params[first : first + PARAMS_AT_ONCE])
        self._client.log_dict(self._id, dict(config), "config.yaml")

    def send(self, items: Sequence[Item]) -> None:
        """Sends all numbers in few calls; the store has them at the return."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            Metric(metric_name(name), value, now, item.step)
            for item in items
            for name, value in item.numbers.items()
        ]
        for first in range(0, len(metrics), METRICS_AT_ONCE):
            self._client.log_batch(self._id, metrics=metrics[first : first + METRICS_AT_ONCE])
        for item in items:
            for name, text in item.texts.items():
                self._client.log_text(self._id, text + "\n", f"{name}/{item.step:06d}.txt")
            for name, picture in item.pictures.items():
                self._client.log_image(
                    self._id, picture, key=metric_name(name), step=item.step, synchronous=True
                )

    def end(self, state: State) -> None:
        """Ends the run with MLflow's name of the state."""
        if self._id:
            self._client.set_terminated(self._id, STATUS[state])


def metric_name(name: str) -> str:
    """A valid name for MLflow: other characters become their code, such as ``_x2b_`` for ``+``.

    A name that is too long, or that is not a plain path, ends with a part of its digest.
    """
    told = re.sub(r"[^/\w.\- ]", lambda found: f"_x{ord(found[0]):x}_", name)
    plain = all(part.strip(". ") for part in told.split("/"))
    if plain and len(told) <= LONGEST_NAME:
        return told
    parts = "/".join(part if part.strip(". ") else "_" for part in told.split("/"))
    digest = sha256(name.encode()).hexdigest()[:8]
    return f"{parts[: LONGEST_NAME - 9].rstrip('/')}-{digest}"
