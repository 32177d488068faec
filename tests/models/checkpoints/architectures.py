"""A tiny random network of every architecture in the catalogue, with what is peculiar about the published ones.

Weights are drawn wide, so that a wrong token, mask or position shows in the vectors. Positions, sliding windows and rotary
bases are the published ones; widths and depths are not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    EmbeddingGemma2Config,
    EmbeddingGemma2Model,
    ErnieConfig,
    ErnieModel,
    Gemma3TextConfig,
    Gemma3TextModel,
    GteConfig,
    GteModel,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ModernBertModel,
    NomicBertConfig,
    NomicBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

WIDTH = 32
_SIZE = {"hidden_size": WIDTH, "intermediate_size": 48, "num_attention_heads": 4, "initializer_range": 0.3}
_DECODER = _SIZE | {"num_key_value_heads": 2, "head_dim": 8, "num_hidden_layers": 2}
_QWEN2 = {name: value for name, value in _DECODER.items() if name != "head_dim"}


def bert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """512 positions, also where sentence-transformers is told to read 128 or 256."""
    return BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=2, max_position_embeddings=512, **_SIZE))


def xlm_roberta_long(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """As BGE-M3 has them: 8194 positions, the first two never used."""
    return _xlm_roberta(tokenizer, 8194)


def xlm_roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """514 positions, the first two never used."""
    return _xlm_roberta(tokenizer, 514)


def _xlm_roberta(tokenizer: PreTrainedTokenizerFast, positions: int) -> PreTrainedModel:
    return XLMRobertaModel(_xlm_roberta_config(tokenizer, positions))


def _xlm_roberta_config(tokenizer: PreTrainedTokenizerFast, positions: int) -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=2,
        max_position_embeddings=positions,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        layer_norm_eps=1e-5,
        num_labels=1,
        **_SIZE,
    )


def ernie(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """ERNIE 3.0: 2048 positions, four kinds of segment, an embedding of the task."""
    return ErnieModel(
        ErnieConfig(
            vocab_size=len(tokenizer),
            num_hidden_layers=2,
            max_position_embeddings=2048,
            type_vocab_size=4,
            task_type_vocab_size=3,
            use_task_id=True,
            **_SIZE,
        )
    )


def nomic_bert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Rotary positions of base 1000; the published configuration says 2048 positions of which the authors use 8192."""
    return NomicBertModel(NomicBertConfig(vocab_size=len(tokenizer), num_hidden_layers=2, **_SIZE))


def gte(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Rotary positions of base 160 000, one kind of segment."""
    return GteModel(GteConfig(vocab_size=len(tokenizer), num_hidden_layers=2, **_SIZE))


def modernbert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A layer that sees all, then two that see 64 tokens to each side."""
    return ModernBertModel(_modernbert_config(tokenizer, 32768))


def _modernbert_config(tokenizer: PreTrainedTokenizerFast, positions: int) -> ModernBertConfig:
    start, *_, end = tokenizer("a").input_ids
    return ModernBertConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=3,
        global_attn_every_n_layers=3,
        local_attention=128,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=start,
        sep_token_id=end,
        bos_token_id=start,
        eos_token_id=end,
        num_labels=1,
        **_SIZE | {"initializer_range": 0.2},
    )


def qwen2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder with its head for writing, as gte-Qwen2 is published."""
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            max_position_embeddings=131072,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
            **_QWEN2,
        )
    )


def qwen3(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder without its head."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
            **_DECODER,
        )
    )


def gemma3_text(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder whose first layer sees 512 tokens back, as harrier-270m is."""
    return _gemma3_text(tokenizer, bidirectional=False)


def gemma3_text_bidirectional(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """EmbeddingGemma: its configuration says that attention looks both ways."""
    return _gemma3_text(tokenizer, bidirectional=True)


def _gemma3_text(tokenizer: PreTrainedTokenizerFast, *, bidirectional: bool) -> PreTrainedModel:
    return Gemma3TextModel(
        Gemma3TextConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=2048 if bidirectional else 32768,
            sliding_window=512,
            layer_types=["sliding_attention", "full_attention"],
            use_bidirectional_attention=bidirectional,
            query_pre_attn_scalar=8,
            **_DECODER,
        )
    )


def embedding_gemma2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Every sixth layer sees all, and is wider; towers for pictures and sound stand beside the text part."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size_per_layer_input": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "global_head_dim": 16,
        "embedding_dim": WIDTH,
        **_DECODER,
    }
    picture = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    picture |= {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 8}
    sound = {"model_type": "gemma4_audio", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sound |= {"subsampling_conv_channels": [4, 4], "output_proj_dims": 16}
    return EmbeddingGemma2Model(EmbeddingGemma2Config(text_config=text, vision_config=picture, audio_config=sound))


def clip(tokenizer: PreTrainedTokenizerFast, *, end_of_text: int | None = None) -> PreTrainedModel:
    """Text tower and picture tower with a common space narrower than either.

    Args:
        tokenizer: its last token ends a text.
        end_of_text: what the configuration calls that token; OpenAI's configurations say 2, which is another.
    """
    text = {"vocab_size": len(tokenizer), "num_hidden_layers": 2, "max_position_embeddings": 77, **_SIZE}
    text["eos_token_id"] = tokenizer.eos_token_id if end_of_text is None else end_of_text
    picture = {"num_hidden_layers": 1, "image_size": 16, "patch_size": 8, **_SIZE}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=picture, projection_dim=WIDTH // 2))


def xlm_roberta_pair(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A head for one score over the first token, 512 tokens."""
    return XLMRobertaForSequenceClassification(_xlm_roberta_config(tokenizer, 514))


def xlm_roberta_pair_long(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A head for one score over the first token, 8192 tokens."""
    return XLMRobertaForSequenceClassification(_xlm_roberta_config(tokenizer, 8194))


def modernbert_pair(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A head for one score over the mean of the tokens."""
    config = _modernbert_config(tokenizer, 8192)
    config.classifier_pooling = "mean"
    return ModernBertForSequenceClassification(config)


def deberta_pair(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """DeBERTa-v3: positions relative to one another, in buckets; a head for one score over the first token."""
    return DebertaV2ForSequenceClassification(
        DebertaV2Config(
            vocab_size=len(tokenizer),
            num_hidden_layers=2,
            max_position_embeddings=512,
            relative_attention=True,
            position_buckets=256,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            type_vocab_size=0,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=1,
            pooler_dropout=0,
            **_SIZE,
        )
    )


def qwen2_judge(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder whose head for writing is its table of embeddings."""
    config = Qwen2Config(vocab_size=len(tokenizer), max_position_embeddings=32768, tie_word_embeddings=True, **_QWEN2)
    return Qwen2ForCausalLM(config)


def qwen3_judge(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A decoder whose head for writing is its table of embeddings."""
    config = Qwen3Config(vocab_size=len(tokenizer), max_position_embeddings=40960, tie_word_embeddings=True, **_DECODER)
    return Qwen3ForCausalLM(config)


ARCHITECTURES: dict[str, Callable[[PreTrainedTokenizerFast], PreTrainedModel]] = {
    "bert": bert,
    "xlm-roberta": xlm_roberta,
    "xlm-roberta-8192": xlm_roberta_long,
    "ernie": ernie,
    "nomic_bert": nomic_bert,
    "gte": gte,
    "modernbert": modernbert,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma3_text": gemma3_text,
    "gemma3_text-bidirectional": gemma3_text_bidirectional,
    "embedding_gemma2": embedding_gemma2,
    "clip": clip,
    "xlm-roberta pair": xlm_roberta_pair,
    "xlm-roberta-8192 pair": xlm_roberta_pair_long,
    "modernbert pair": modernbert_pair,
    "deberta-v2 pair": deberta_pair,
    "qwen2 judge": qwen2_judge,
    "qwen3 judge": qwen3_judge,
}


def draw(architecture: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Return a network of the architecture, the same at each call."""
    torch.manual_seed(0)
    network = ARCHITECTURES[architecture](tokenizer).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:  # scales and shifts, which begin at one and nought, as trained ones do not stay
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network
