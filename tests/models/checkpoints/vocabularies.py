"""Tokenizers of each published kind over a small vocabulary, made by the classes that transformers has for them."""

from __future__ import annotations

from string import ascii_letters, digits, punctuation

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    DebertaV2Tokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    XLMRobertaTokenizer,
)

CHINESE = "忘记密码怎么办请重置账号锁定打印机设备休假你好为这个句子生成表示以用于检索相关文章：，。？"
WORDS = ["how", "reset", "pass", "word", "account", "lock", "the", "query", "search", "document", "passage", "is"]
QWEN_END = "<|endoftext|>"


def word_pieces() -> PreTrainedTokenizerFast:
    """BERT's: lower case, [CLS] and [SEP] around a text."""
    letters = [*ascii_letters.lower(), *digits, *punctuation, *CHINESE]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{piece}" for piece in letters)]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))})


def unigrams() -> PreTrainedTokenizerFast:
    """XLM-RoBERTa's: SentencePiece unigrams, <s> and </s> around a text."""
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    letters = ["▁", *ascii_letters, *digits, *punctuation, *CHINESE]
    pieces = [*(f"▁{word}" for word in WORDS), *WORDS, *letters]
    return XLMRobertaTokenizer(
        vocab=[*special, *((piece, -float(len(letters)) / len(piece)) for piece in pieces), ("<mask>", 0.0)]
    )


def bytes_of_qwen() -> PreTrainedTokenizerFast:
    """Qwen2's: byte pairs, nothing around a text. That it is to end in <|endoftext|>, gte-Qwen2 says elsewhere."""
    tokenizer = Qwen2Tokenizer(vocab=_byte_vocabulary(QWEN_END, "<|im_start|>", "<|im_end|>"), eos_token=QWEN_END)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def bytes_of_qwen_with_end() -> PreTrainedTokenizerFast:
    """Qwen3-Embedding's: its tokenizer.json ends every text in <|endoftext|>, which is not its end-of-sequence token."""
    tokenizer = Qwen2Tokenizer(vocab=_byte_vocabulary(QWEN_END, "<|im_start|>", "<|im_end|>"), eos_token="<|im_end|>")
    _surround(tokenizer, end=QWEN_END)
    return tokenizer


def bytes_of_judges() -> PreTrainedTokenizerFast:
    """Qwen's, as bytes_of_qwen, with `yes` and `no` as one token each; `0` and `1` are."""
    special = (QWEN_END, "<|im_start|>", "<|im_end|>")
    return Qwen2Tokenizer(
        vocab=_byte_vocabulary("ye", "yes", "no", *special),
        merges=[("y", "e"), ("ye", "s"), ("n", "o")],
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )


def unigrams_of_deberta() -> PreTrainedTokenizerFast:
    """DeBERTa-v3's: SentencePiece unigrams, [CLS] and [SEP] around a text."""
    special = [(token, 0.0) for token in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    letters = ["▁", *ascii_letters, *digits, *punctuation, *CHINESE]
    pieces = [
        (piece, -float(len(letters)) / len(piece)) for piece in (*(f"▁{word}" for word in WORDS), *WORDS, *letters)
    ]
    return DebertaV2Tokenizer(vocab=[*special, *pieces, ("[MASK]", 0.0)], unk_id=3)


def bytes_of_modernbert() -> PreTrainedTokenizerFast:
    """ModernBERT's: byte pairs, [CLS] and [SEP] around a text."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(models.BPE(vocab=_byte_vocabulary(*special), merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    _surround(tokenizer, start="[CLS]", end="[SEP]")
    return tokenizer


def pairs_of_gemma() -> PreTrainedTokenizerFast:
    """Gemma's: characters with bytes to fall back to, <bos> and <eos> around a text."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *ascii_letters, *digits, *punctuation, "\n"]
    tokenizer = GemmaTokenizer(
        vocab={piece: number for number, piece in enumerate(dict.fromkeys([*pieces, *CHINESE]))}, merges=[]
    )
    _surround(tokenizer, start="<bos>", end="<eos>")
    return tokenizer


def pairs_of_clip() -> PreTrainedTokenizerFast:
    """CLIP's: byte pairs with an end of word, lower case; the last of the vocabulary ends and pads a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])


def _byte_vocabulary(*special: str) -> dict[str, int]:
    return {piece: number for number, piece in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), *special])}


def _surround(tokenizer: PreTrainedTokenizerFast, *, start: str = "", end: str = "") -> None:
    special = [token for token in (start, end) if token]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(part for part in (start, "$A", end) if part),
        pair=" ".join(part for part in (start, "$A", end, "$B", end) if part),
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in special],
    )
