"""Random generators for the weather of scenes."""

from __future__ import annotations

import zlib

import numpy as np


def seed_of(name: str, domain: str, seed: int) -> list[int]:
    """What the seed of a scene's weather depends on, for records."""
    return [seed, zlib.crc32(f"{name} {domain}".encode())]


def drops_of(name: str, domain: str, seed: int) -> np.random.Generator:
    """Generator for a scene's weather: always the same for one name, domain and seed."""
    return np.random.default_rng(seed_of(name, domain, seed))
