"""The coding of a label file from its header, and the codings that readers accept."""

from __future__ import annotations

from pathlib import Path

PNG_CODING = {0: "grey", 2: "colour", 3: "palette", 4: "grey and alpha", 6: "colour and alpha"}
"""PNG specification, section 11.2.2: colour types."""


ID_CODINGS = frozenset({"palette PNG", "8-bit grey PNG"})
"""Codings that `images.read_ids` accepts."""
FEW_GREYS = frozenset({"1-bit grey PNG", "2-bit grey PNG", "4-bit grey PNG"})
"""Levels of these files are shades from black to white, so level 3 is not surely id 3."""
FIRST_CHANNEL_CODINGS = frozenset(
    f"{bits}-bit {colours} PNG"
    for bits in (8, 16)
    for colours in ("grey", "grey and alpha", "colour", "colour and alpha")
)
"""Codings that `images.read_first_channel` accepts."""
COLOUR_CODINGS = frozenset({"8-bit colour PNG", "8-bit colour and alpha PNG", "palette PNG"})
"""Codings of which `images.read_colours` reads colours."""


def label_coding(path: Path) -> str | None:
    """The coding of a label file from its header; its suffix if it is not called a PNG.

    None for a file that is called a PNG but is not one.
    """
    try:
        with path.open("rb") as file:
            header = file.read(26)
    except OSError:
        return None
    if header[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 26:
        coding = PNG_CODING.get(header[25], "unknown")
        # The bit depth of a palette does not matter: encoders use as few bits as possible.
        return f"{coding} PNG" if coding == "palette" else f"{header[24]}-bit {coding} PNG"
    suffix = path.suffix.lower().removeprefix(".")
    return None if suffix == "png" else suffix.upper() or "without suffix"
