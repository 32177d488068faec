"""Which device a model runs on, and in which number format.

This module knows nothing of any particular model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag_app.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> str:
    """Return `cuda`, `mps` or `cpu` for a device name, which may be `auto`.

    Raises:
        ConfigurationError: a device that this machine or this torch does not have.
    """
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name, False):
        found = ", ".join(device for device, there in available.items() if there)
        raise ConfigurationError(
            f"The device '{name}' is not usable here; torch {torch.__version__} finds: {found}.",
            "Use --device auto, or install the torch build for that device (README, 'CPU or CUDA').",
        )
    return name


def dtype_for(device: str, *, generating: bool = False) -> torch.dtype:
    """Return float32, but bfloat16 for a generator on a GPU.

    Many checkpoints are stored in half precision, and transformers 5 loads them so: on a CPU that was measured five to
    six times slower, and vectors of two formats may not be compared.
    """
    import torch

    return torch.bfloat16 if generating and device == "cuda" else torch.float32
