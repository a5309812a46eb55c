"""The examples of adapters on a frozen encoder, from the files they name to the first frames.

Town stands in for CamVid, which is not at hand everywhere, and noughts for the published weights,
under the names that their files give them.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.labels import CAMVID11
from driftseg.models.adapters import base_digest
from driftseg.models.checkpoints import load_checkpoint, save_checkpoint
from driftseg.models.encoders.sites import adapter_names, silent_values
from driftseg.models.segmenter import build_segmenter
from driftseg.runs.build import build

EXAMPLES = Path(__file__).parents[2] / "examples"
TOWN = "{kind: town, seed: %d, frames: %d, every: 20, size: [64, 64]}"
SMALL = [
    f"source={TOWN % (1, 4)}",
    f"target={TOWN % (2, 2)}",
    f"evaluation={TOWN % (3, 2)}",
    f"calibration.data={TOWN % (4, 3)}",
    "evaluations={}",
    "home=null",
    "replay={capacity: 4, minimum_share: 0.004}",
    "threads=1",
]
FROZEN = {
    "efficientnet_lite0": ("convolution", 162_428),
    "mit_b3": ("adaptformer", 1_363_728),
    "swin_t": ("adaptformer", 1_083_792),
}


def classifier_of(encoder: str) -> dict[str, torch.Tensor]:
    """An ImageNet classifier's tensors as the hub's file names them; all are noughts."""
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        if encoder == "mit_b3":
            config = transformers.SegformerConfig(
                depths=[3, 4, 18, 3], hidden_sizes=[64, 128, 320, 512]
            )
            model = transformers.SegformerForImageClassification(config)
        else:
            model = transformers.SwinForImageClassification(transformers.SwinConfig())
    return {n: torch.zeros(1).expand(t.shape) for n, t in model.state_dict().items()}


@pytest.mark.parametrize(
    ("encoder", "hub", "random"),
    [
        ("mit_b3", "nvidia/mit-b3", set()),
        ("swin_t", "microsoft/swin-tiny-patch4-window7-224", {"output_norm"}),
    ],
)
def test_a_source_model_starts_from_the_file_that_its_example_names(
    encoder: str, hub: str, random: set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(classifier_of(encoder), tmp_path / "pytorch_model.bin")

    def download(repository: str, name: str) -> str:
        assert repository == hub
        if not (tmp_path / name).is_file():
            raise OSError("no such file there")
        return str(tmp_path / name)

    def held(self: object, repository: str, timeout: float) -> SimpleNamespace:
        files = [SimpleNamespace(rfilename=path.name) for path in tmp_path.iterdir()]
        return SimpleNamespace(siblings=files)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", held)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    path = EXAMPLES / f"camvid_source_{encoder}.yaml"
    config = read_config(path, TrainConfig, data=tmp_path)
    assert config.model.encoder == encoder
    assert f"trained/camvid_{encoder}" == str(config.out)
    model, (report,) = config.model.make(classes=11)
    lacking = {n.split(".")[3] for n in report.random if n.startswith("encoder.")}
    assert lacking == random
    filled = {n: t for n, t in model.encoder.named_parameters() if "output_norm" not in n}
    assert not any(tensor.any() for tensor in filled.values())


@pytest.mark.parametrize(
    "encoder",
    [pytest.param(name, marks=pytest.mark.slow) if name == "mit_b3" else name for name in FROZEN],
)  # the same adapters as on swin_t, in a network of twice its size
def test_adapters_and_head_learn_on_an_encoder_that_stays(encoder: str, tmp_path: Path) -> None:
    path = tmp_path / "camvid_{encoder}" / "best.safetensors"
    config = read_config(
        EXAMPLES / f"camvid_dusk_frozen_{encoder}.yaml",
        RunConfig, changes=[*SMALL, f"checkpoint={path}"], data=tmp_path,
    )  # fmt: skip
    assert config.model is not None
    assert config.model.encoder == encoder
    assert config.keep_checkpoint
    torch.manual_seed(0)
    plain = build_segmenter(encoder, classes=11, head_width=16)
    with torch.no_grad():
        plain.head.classifier.weight.mul_(30)
    made = Path(str(path).replace("{encoder}", encoder))
    save_checkpoint(made, plain, encoder=encoder, head_width=16, label_space="camvid11",
                    classes=CAMVID11.classes, half=True)  # fmt: skip
    parts = build(config)
    roles = parts.model.roles
    kind, numbers = FROZEN[encoder]
    assert any(f"{kind} adapters with {numbers} parameters" in note for note in parts.notes)
    head = {f"head.{n}" for n, _ in roles.network.head.named_parameters()}
    assert set(roles.trainable) == {*adapter_names(roles.network), *head}
    for frame in parts.stream:
        parts.model.predict(frame.image)
        assert parts.model.learn().trained
    assert base_digest(roles.network) == base_digest(load_checkpoint(made)[0])
    assert all(roles.network.get_parameter(n).any() for n in silent_values(roles.network))
