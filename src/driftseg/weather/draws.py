"""Where the chance in a scene's weather comes from."""

from __future__ import annotations

import zlib

import numpy as np


def seed_of(name: str, domain: str, seed: int) -> list[int]:
    """What the chance in a scene's weather follows from, for records."""
    return [seed, zlib.crc32(f"{name} {domain}".encode())]


def drops_of(name: str, domain: str, seed: int) -> np.random.Generator:
    """Draws what is random in a scene's weather: always the same for one name, domain and seed."""
    return np.random.default_rng(seed_of(name, domain, seed))
