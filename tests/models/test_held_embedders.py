"""How many embedding models stay in memory, and that memory comes back."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

from rag_app.errors import ModelLoadError
from rag_app.models.held_embedders import HeldEmbedders
from tests.fakes import HashEmbedding
from tests.open_files import needs_proc


def embedder() -> HashEmbedding:
    return HashEmbedding(model_name="fake")


def test_a_model_that_is_held_is_not_loaded_again() -> None:
    held = HeldEmbedders(1)
    first = held.get("a", embedder)
    assert held.get("a", lambda: pytest.fail("loaded again")) is first


def test_the_least_recently_used_goes_before_another_is_loaded() -> None:
    held = HeldEmbedders(2)
    first, second = weakref.ref(held.get("a", embedder)), weakref.ref(held.get("b", embedder))
    held.get("a", embedder)

    def load() -> HashEmbedding:
        gc.collect()
        assert second() is None, "room is made before a model is loaded, not afterwards"
        return embedder()

    held.get("c", load)
    assert first() is not None


def test_one_in_use_lives_until_it_is_done() -> None:
    held = HeldEmbedders(1)
    in_use = held.get("a", embedder)
    held.get("b", embedder)
    assert in_use.get_text_embedding("a")


def test_a_model_that_cannot_be_loaded_leaves_room_for_the_next() -> None:
    held = HeldEmbedders(1)
    held.get("a", embedder)

    def fails() -> HashEmbedding:
        raise ModelLoadError("damaged", "Fetch it again.")

    with pytest.raises(ModelLoadError):
        held.get("b", fails)
    assert held.get("b", embedder)


def test_threads_that_ask_at_once_get_one_model_loaded_once() -> None:
    held, loads, got = HeldEmbedders(1), [], []
    barrier = threading.Barrier(4)

    def load() -> HashEmbedding:
        loads.append(1)
        return embedder()

    def ask() -> None:
        barrier.wait()
        got.append(held.get("a", load))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(loads) == 1
    assert len({id(model) for model in got}) == 1


def test_a_model_that_is_held_is_there_at_once_while_another_is_loaded() -> None:
    held, got = HeldEmbedders(2), []
    first = held.get("a", embedder)
    is_loading, may_end = threading.Event(), threading.Event()

    def load() -> HashEmbedding:
        is_loading.set()
        assert may_end.wait(30)
        return embedder()

    loading = threading.Thread(target=lambda: held.get("b", load))
    asking = threading.Thread(target=lambda: got.append(held.get("a", embedder)))
    loading.start()
    assert is_loading.wait(30)
    asking.start()
    asking.join(2)
    has_waited = asking.is_alive()
    may_end.set()
    for thread in (loading, asking):
        thread.join(30)
    assert not has_waited
    assert got == [first]


SWITCHING = """
import sys
from pathlib import Path
import torch
from transformers import BertConfig, BertModel
from rag_app.models.embedder import load_embedder
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.held_embedders import HeldEmbedders

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

def take(held, folder):
    return held.get(folder, lambda: load_embedder(resolve_embedder(folder, offline=True), device="cpu"))

held = HeldEmbedders(int(sys.argv[1]))
folders = sys.argv[2:]
take(held, folders[0]).embed_question("warm")
sizes = [resident()]
for turn in range(6):
    take(held, folders[(turn + 1) % 2]).embed_question("a question")
    sizes.append(resident())
print(*sizes)
"""


@pytest.mark.slow
@needs_proc
def test_switching_to_and_fro_costs_the_memory_of_one_model(tmp_path: Path) -> None:
    """Two models of 160 MB in turn, in a process of their own: six switches leave as much resident as the first."""
    folders = [make_wide(tmp_path / name) for name in ("a", "b")]
    assert growth_in_megabytes(1, folders) < 80
    assert growth_in_megabytes(2, folders) > 120, "or the test would see nothing"


def growth_in_megabytes(limit: int, folders: list[Path]) -> float:
    """Return how much more is resident at most, in six switches between two models, than with the first alone."""
    command = [sys.executable, "-c", SWITCHING, str(limit), *map(str, folders)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, timeout=400)
    alone, *sizes = [float(size) for size in outcome.stdout.split()]
    assert len(sizes) == 6
    return max(sizes) - alone


def make_wide(folder: Path) -> Path:
    """Write a BERT embedding model with 41 million parameters in half precision: 164 MB once it is loaded."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    from tests.checkpoints import make_bert_embedder

    small = make_bert_embedder(folder / "small")
    AutoTokenizer.from_pretrained(small).save_pretrained(folder / "wide")
    BertModel(
        BertConfig(
            vocab_size=80_000,
            hidden_size=512,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder / "wide")
    modules = [Transformer(str(folder / "wide"), max_seq_length=64), Pooling(512, pooling_mode="cls")]
    model = SentenceTransformer(modules=modules, device="cpu").bfloat16()  # float32 would be mapped, and take no memory
    model.save(str(folder / "model"), create_model_card=False)
    return folder / "model"
