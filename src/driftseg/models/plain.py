"""A plain copy of a network with the learnt weights and without roles."""

from __future__ import annotations

import copy

from driftseg.models.adapters import merge_adapters
from driftseg.models.adapters.by_pattern import merge_by_pattern
from driftseg.models.adapters.spec import LINEAR
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter


def plain_copy(network: Network) -> Network:
    """A copy with the student's weights, linear adapters merged, every tensor trainable.

    Adapters that are not linear cannot be merged; they stay in the copy.
    """
    twin: Network
    if isinstance(network, Segmenter):
        linear = network.adapters is not None and network.adapters.kind in LINEAR
        twin = merge_adapters(network) if linear else copy.deepcopy(network)
    else:
        twin = copy.copy(network)
        twin.module = copy.deepcopy(network.module)  # type: ignore[misc]
        merge_by_pattern(twin.module)
    twin.module.eval()
    for parameter in twin.module.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None
    return twin
