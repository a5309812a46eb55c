"""Reads the files of an offline run of W&B.

W&B writes its file block by block, so a killed process loses the steps of its last block. A file
has 7 bytes of W&B, then a log in LevelDB's format. Each record is one message of W&B.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 2**15
HEAD = 7
"""Bytes before the first record, and before each piece of one: checksum, length, kind."""
WHOLE, LAST = 1, 4


def last_step(folder: Path, identity: str) -> int | None:
    """The last step of a run in all its files below ``folder/wandb``; -1 without a step.

    None if a file cannot be parsed.
    """
    from wandb.proto import wandb_internal_pb2

    protocol: Any = wandb_internal_pb2
    last = -1
    try:
        for path in folder.glob(f"wandb/*run-*-{identity}/run-{identity}.wandb"):
            for data in messages(path.read_bytes()):
                record = protocol.Record()
                record.ParseFromString(data)
                if record.HasField("history"):
                    last = max(last, record.history.step.num)
    except Exception:  # another version's format
        return None
    return last


def messages(data: bytes) -> Iterator[bytes]:
    """The complete records of a file."""
    at, parts = HEAD, b""
    while at + HEAD <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEAD:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEAD])
        piece = data[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if len(piece) < length or kind == 0:
            return
        parts += piece
        if kind in (WHOLE, LAST):
            yield parts
            parts = b""
