"""Linear layers on an x86 processor, run by oneDNN, with their weights laid out for it once.

torch leaves float32 products to MKL. With oneDNN, also a part of torch, embedding was 1.8 times as fast on an AMD processor
(docs/benchmarks.md, "Embedding speed"). `torch.compile` runs linear layers in this way too, but wants a C++ compiler.
This module knows nothing of any particular model.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers.activations import GELUActivation


class PackedLinear(nn.Module):
    """What a linear layer computes, float32, without gradients. The weights are held once, in oneDNN's own order."""

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        """Take over the weights of a layer, and with `gelu` the exact GELU after it, while its values are still at hand."""
        super().__init__()
        self._activation: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")
        self.in_features, self.out_features = linear.in_features, linear.out_features
        bias: torch.Tensor | None = linear.bias
        self.bias = None if bias is None else bias.detach()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())  # noqa: SLF001

    @property
    def weight(self) -> torch.Tensor:
        """The weights in the common order, shape (out, in): a copy, for code that looks at them."""
        dense: torch.Tensor = self._packed.to_dense()
        return dense

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return shape (..., out) for shape (..., in)."""
        run = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
        product: torch.Tensor = run(values, self._packed, self.bias, *self._activation)
        return product


def pack_linear_layers(model: nn.Module) -> None:
    """Put packed layers in place of a model's plain linear ones, where this processor and this torch can run them."""
    if not _can_pack():
        return
    for module in list(model.modules()):
        if _reads_weights(module):
            continue
        gelu = _ends_in_gelu(module)
        for name, child in module.named_children():
            # No subclasses: their forward may be another.
            if type(child) is nn.Linear and child.weight.dtype is torch.float32 and child.weight.device.type == "cpu":
                setattr(module, name, PackedLinear(child, gelu=gelu and name == "dense"))
                if gelu and name == "dense":
                    module.intermediate_act_fn = nn.Identity()


def _reads_weights(module: nn.Module) -> bool:
    """Whether a module looks at the weights of its layers, as T5's does at every pass: each look would unpack them."""
    code = getattr(type(module).forward, "__code__", None)
    return code is not None and "weight" in code.co_names


def _ends_in_gelu(module: nn.Module) -> bool:
    """Whether a module is `dense` and then the exact GELU, and nothing else, as in all that transformers built on BERT."""
    of_transformers = type(module).__module__.startswith("transformers.models.")  # not code that comes with a model
    return of_transformers and isinstance(getattr(module, "intermediate_act_fn", None), GELUActivation)


def _can_pack() -> bool:
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # torch's own operators, but not documented ones
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )
