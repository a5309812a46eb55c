"""OpenVINO: writes its two files, and runs them or an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from driftseg.errors import InputError
from driftseg.exporting.extras import needed
from driftseg.exporting.onnx_file import Floats

SECTION = "driftseg"
"""Key of our facts in the file's runtime information."""


def write_openvino(graph: Path, path: Path, facts: Mapping[str, str]) -> None:
    """Writes ``path`` (.xml) and its weights beside it (.bin), in 32 bits.

    Args:
        graph: an ONNX file.
        path: of the .xml.
        facts: kept in the file's runtime information.
    """
    openvino = needed("openvino")
    model = openvino.Core().read_model(str(graph))
    for name, text in facts.items():
        model.set_rt_info(text, [SECTION, name])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def read_openvino_facts(path: Path) -> dict[str, str]:
    """Our facts in a file's runtime information; empty if there are none.

    Raises:
        InputError: it cannot be read, or openvino is not installed.
    """
    model = _read(path)
    if not model.has_rt_info([SECTION]):
        return {}
    names = model.get_rt_info([SECTION]).astype(dict)
    return {name: model.get_rt_info([SECTION, name]).astype(str) for name in names}


class OpenVino:
    """A graph in OpenVINO, on the CPU, in 32 bits.

    Args:
        path: an .xml or .onnx file.
        threads: it may use.
    """

    def __init__(self, path: Path, threads: int):
        openvino = needed("openvino")
        # Without the first some CPUs compute in 16 bits.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        self._compiled = openvino.Core().compile_model(_read(path), "CPU", settings)

    def __call__(self, images: Floats) -> Floats:
        """(B, 3, H, W) of 0 to 255 to logits (B, C, h, w)."""
        return np.array(self._compiled([images])[0], dtype=np.float32)


def _read(path: Path) -> Any:
    openvino = needed("openvino")
    if path.suffix == ".xml" and not path.with_suffix(".bin").is_file():
        raise InputError(
            f"{path.with_suffix('.bin')}: expected the weights of {path}, got a path where there "
            "is none. To fix: copy both files"
        )
    try:
        return openvino.Core().read_model(str(path))
    except Exception as error:  # its own exceptions
        raise InputError(
            f"{path}: expected a file that OpenVINO can read, got another. To fix: export or copy "
            "it again"
        ) from error
