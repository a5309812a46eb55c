"""Adapters: small trainable parts in a frozen encoder; they add exactly 0 at first."""

from driftseg.models.adapters.attach import (
    attach,
    detach_adapters,
    fitting_kinds,
    merge_adapters,
)
from driftseg.models.adapters.files import (
    AdapterInfo,
    base_digest,
    load_adapters,
    read_adapter_info,
    save_adapters,
)
from driftseg.models.adapters.spec import KINDS, AdapterSpec, Kind, adapter_spec

__all__ = [
    "KINDS",
    "AdapterInfo",
    "AdapterSpec",
    "Kind",
    "adapter_spec",
    "attach",
    "base_digest",
    "detach_adapters",
    "fitting_kinds",
    "load_adapters",
    "merge_adapters",
    "read_adapter_info",
    "save_adapters",
]
