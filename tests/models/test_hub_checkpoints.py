"""Models of the Hugging Face hub: from the cache, and from a network that may not be there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from torch import Tensor, nn
from weight_files import NAMES, assert_parity, hub_answers, split

from driftseg.errors import InputError
from driftseg.models.checkpoints import open_checkpoint


class TestHub:
    def test_the_cache_comes_first(
        self, theirs: nn.Module, folder: Path, images: Tensor, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        commit = "0123456789012345678901234567890123456789"
        model = tmp_path / "models--someone--segformer"
        (model / "refs").mkdir(parents=True)
        (model / "refs" / "main").write_text(commit)
        (model / "snapshots").mkdir()
        (model / "snapshots" / commit).symlink_to(folder)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

        def unasked(*given: object, **named: object) -> None:
            raise AssertionError("the network was asked")

        monkeypatch.setattr("huggingface_hub.HfApi.model_info", unasked)
        monkeypatch.setattr("huggingface_hub.hf_hub_download", unasked)
        assert_parity("someone/segformer", theirs, images)
        assert open_checkpoint("someone/segformer")[1].classes == NAMES

    def test_offline_is_said_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        start = time.monotonic()
        with pytest.raises(
            InputError,
            match="expected a file or folder here, or a model on "
            r"the Hugging Face hub, got neither \(expected "
            r"the model in the.*set HF_HUB_OFFLINE",
        ):
            open_checkpoint("someone/segformer")
        assert time.monotonic() - start < 5

    def test_the_network_is_asked_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def model_info(self: object, hub_id: str, timeout: float) -> None:
            asked.append(timeout)
            raise OSError("name or service not known")

        hub_answers(monkeypatch, [])
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
        with pytest.raises(
            InputError,
            match="expected a file or folder here, or a model on "
            r"the Hugging Face hub, got neither \(name or "
            r"service not known\).*pass a local",
        ):
            open_checkpoint("someone/segformer")
        assert len(asked) == 1
        assert asked[0] <= 10

    def test_a_model_without_weights_that_we_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hub_answers(monkeypatch, ["tf_model.h5"])
        with pytest.raises(
            InputError,
            match=r"someone/other: expected model\.safetensors or "
            r"pytorch_model\.bin on the Hugging Face hub, got "
            "none",
        ):
            open_checkpoint("someone/other")

    def test_all_pieces_are_fetched(
        self, theirs: nn.Module, folder: Path, tmp_path: Path, images: Tensor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        split(folder, tmp_path, "safetensors")
        asked = []

        def download(repository: str, name: str) -> str:
            asked.append(name)
            return str(tmp_path / name)

        hub_answers(monkeypatch, [path.name for path in sorted(tmp_path.iterdir())])
        monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
        assert_parity("someone/segformer", theirs, images)
        assert asked == [
            "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        ]  # fmt: skip
