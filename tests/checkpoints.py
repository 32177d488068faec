"""Tiny random checkpoints, made in half a second, that go through the real loading code as folders."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?-_'\"()[]#/|>*你好密码账号锁定忘记重置休假设备打印机"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_bert_embedder(
    folder: Path, *, pooling: str = "cls", window: int = 64, prompts: dict[str, str] | None = None, seed: int = 0
) -> Path:
    """Write a BERT embedding model of two layers and 32 dimensions in sentence-transformers format."""
    torch.manual_seed(seed)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS]
    vocabulary += [f"##{letter}" for letter in _LETTERS]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=window,
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=window,
        initializer_range=0.5,
    )
    plain = folder / "plain"
    BertModel(config).save_pretrained(plain)
    fast.save_pretrained(plain)
    target = folder / "model"
    model = SentenceTransformer(
        modules=[Transformer(str(plain), max_seq_length=window), Pooling(32, pooling_mode=pooling), Normalize()],
        prompts=prompts or {},
        device="cpu",
    )
    model.save(str(target), create_model_card=False)
    return target


def make_llama_generator(
    folder: Path, *, chat_template: str | None = CHAT_TEMPLATE, window: int = 512, ends: bool = True
) -> Path:
    """Write a Llama generator of two layers over bytes. It writes nonsense, deterministically; it may never end."""
    torch.manual_seed(0)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=window
    )
    fast.chat_template = chat_template
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        eos_token_id=2 if ends else None,
        pad_token_id=0,
        bos_token_id=None,
    )
    target = folder / "generator"
    LlamaForCausalLM(config).save_pretrained(target)
    fast.save_pretrained(target)
    return target
