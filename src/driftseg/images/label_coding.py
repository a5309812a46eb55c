"""How a label file is stored, from its header, and which codings readers take."""

from __future__ import annotations

from pathlib import Path

PNG_CODING = {0: "grey", 2: "colour", 3: "palette", 4: "grey and alpha", 6: "colour and alpha"}
"""PNG specification, section 11.2.2: colour types."""


ID_CODINGS = frozenset({"palette PNG", "8-bit grey PNG"})
"""What `images.read_ids` takes."""
FEW_GREYS = frozenset({"1-bit grey PNG", "2-bit grey PNG", "4-bit grey PNG"})
"""Their levels stand for shades from black to white, so whether 3 is the id 3 is not known."""
FIRST_CHANNEL_CODINGS = frozenset(
    f"{bits}-bit {colours} PNG"
    for bits in (8, 16)
    for colours in ("grey", "grey and alpha", "colour", "colour and alpha")
)
"""What `images.read_first_channel` takes."""
COLOUR_CODINGS = frozenset({"8-bit colour PNG", "8-bit colour and alpha PNG", "palette PNG"})
"""What `images.read_colours` gives colours of."""


def label_coding(path: Path) -> str | None:
    """How a label file is stored, from its header; its suffix where it should be no PNG.

    None for what is called a PNG and is none.
    """
    try:
        with path.open("rb") as file:
            header = file.read(26)
    except OSError:
        return None
    if header[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 26:
        coding = PNG_CODING.get(header[25], "unknown")
        # How many bits a palette's ids take says nothing: encoders take as few as will do.
        return f"{coding} PNG" if coding == "palette" else f"{header[24]}-bit {coding} PNG"
    suffix = path.suffix.lower().removeprefix(".")
    return None if suffix == "png" else suffix.upper() or "without suffix"
