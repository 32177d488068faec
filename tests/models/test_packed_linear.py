"""A packed layer computes what the plain one does, for every shape that a network hands it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, T5Config, T5EncoderModel
from transformers.activations import GELUActivation
from transformers.models.bert.modeling_bert import BertIntermediate

from rag_app.models import packed_linear
from rag_app.models.packed_linear import PackedLinear, pack_linear_layers

pytestmark = pytest.mark.skipif(
    not packed_linear._can_pack(), reason="this processor or this torch does not pack linear layers"
)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 48), (7, 48), (2, 5, 48), (3, 0, 48), (2, 3, 4, 48), (48,)])
def test_it_computes_the_same(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(48, 33, bias=bias)
    values = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(plain)(values), plain(values), rtol=1e-5, atol=1e-5)


def test_values_that_do_not_lie_side_by_side_are_read_right() -> None:
    """As the first token of each text, which some networks pool."""
    torch.manual_seed(0)
    plain, values = nn.Linear(48, 33), torch.randn(6, 9, 48)
    packed = PackedLinear(plain)
    with torch.inference_mode():
        for part in (values[:, 0], values.transpose(0, 1), values[:, ::2]):
            torch.testing.assert_close(packed(part), plain(part), rtol=1e-5, atol=1e-5)


def test_code_that_looks_at_the_weights_finds_them() -> None:
    plain = nn.Linear(48, 33)
    packed = PackedLinear(plain)
    torch.testing.assert_close(packed.weight, plain.weight.detach(), rtol=0, atol=0)
    assert (packed.weight.dtype, packed.in_features, packed.out_features) == (torch.float32, 48, 33)
    assert packed.bias is not None
    torch.testing.assert_close(packed.bias, plain.bias.detach(), rtol=0, atol=0)


@pytest.mark.parametrize(("activation", "is_fused"), [("gelu", True), ("gelu_new", False), ("relu", False)])
def test_the_exact_gelu_after_a_layer_goes_into_it_and_no_other(activation: str, is_fused: bool) -> None:
    torch.manual_seed(0)
    layer = BertIntermediate(BertConfig(hidden_size=48, intermediate_size=96, hidden_act=activation))
    values = torch.randn(5, 7, 48) * 3
    with torch.inference_mode():
        expected = layer(values)
        pack_linear_layers(layer)
        torch.testing.assert_close(layer(values), expected, rtol=1e-5, atol=1e-5)
    assert isinstance(layer.dense, PackedLinear)
    assert isinstance(layer.intermediate_act_fn, nn.Identity) == is_fused


def test_a_gelu_in_code_that_comes_with_a_model_is_left_where_it_is() -> None:
    """There, what is called `dense` may be used otherwise."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(4, 8)
            self.intermediate_act_fn = GELUActivation()

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            gate, value = self.dense(values).chunk(2, dim=-1)
            gated: torch.Tensor = self.intermediate_act_fn(gate) * value
            return gated

    gated, values = Gated(), torch.randn(3, 4)
    with torch.inference_mode():
        expected = gated(values)
        pack_linear_layers(gated)
        torch.testing.assert_close(gated(values), expected, rtol=1e-5, atol=1e-5)
    assert isinstance(gated.dense, PackedLinear)


def test_layers_whose_weights_are_looked_at_in_every_pass_are_left() -> None:
    """As T5 looks at the number format of one: unpacking it each time would cost more than packing gains."""
    encoder = T5EncoderModel(T5Config(vocab_size=9, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2)).eval()
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        expected = encoder(ids).last_hidden_state
        pack_linear_layers(encoder)
        torch.testing.assert_close(encoder(ids).last_hidden_state, expected, rtol=1e-5, atol=1e-5)
    kinds = {name.rpartition(".")[2]: type(module) for name, module in encoder.named_modules()}
    assert (kinds["q"], kinds["wo"]) == (PackedLinear, nn.Linear)


class Other(nn.Linear):
    """A layer whose forward is its own."""


def test_plain_layers_are_packed_wherever_they_are_and_others_are_left() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.GELU())
            self.listed = nn.ModuleList([nn.Linear(4, 4)])
            self.other = Other(4, 4)
            self.halved = nn.Linear(4, 4, dtype=torch.bfloat16)
            self.table = nn.Embedding(4, 4)

    network = Network()
    pack_linear_layers(network)
    assert isinstance(network.first, PackedLinear)
    assert isinstance(network.inner[0], PackedLinear)
    assert isinstance(network.listed[0], PackedLinear)
    assert type(network.other) is Other
    assert type(network.halved) is nn.Linear
    assert type(network.table) is nn.Embedding


def test_where_it_cannot_be_run_a_model_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    network = nn.Sequential(nn.Linear(4, 4))
    pack_linear_layers(network)
    assert type(network[0]) is nn.Linear
