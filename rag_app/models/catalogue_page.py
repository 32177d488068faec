"""Writes docs/models.md, the catalogue as a page to read.

Run: python -m rag_app.models.catalogue_page > docs/models.md
Every fact of the page is one of the rows'; what is written here is how to read them.
This module knows nothing of which models are on the machine, or of which to choose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

from rag_app.models.catalogue import (
    Catalogue,
    EmbedderRow,
    GeneratorRow,
    ModelRow,
    RerankerRow,
    Runs,
    packaged_catalogue,
)

# The columns of figures, in their order. What they are the means of: mteb 2.26.24, benchmarks.py.
BENCHMARKS = {
    "MTEB English v2 retrieval": "ten tasks of search in English (ArguAna, FEVER, FiQA2018, HotpotQA and others)",
    "C-MTEB retrieval": "eight tasks of search in Chinese (T2Retrieval, DuRetrieval and others)",
    "MTEB multilingual v2 retrieval": "18 tasks in many languages (MIRACL, MLQARetrieval, SpartQA, WinoGrande and others), "
    "some far from questions and answers",
    "MIRACL": "questions to Wikipedia in 18 languages, among passages that look like the answer and are not",
    "MIRACL Chinese": "its Chinese part",
}
_RUNS = {
    Runs.NATIVE: "here",
    Runs.CLIP: "here, for text only",
    Runs.REMOTE_CODE: "[with its own code](models-offline.md#models-with-their-own-code)",
    Runs.SERVED: "[on a server of yours](served-models.md)",
}

# A test loads it.
EXAMPLE_ROW = """\
[[embedder]]
id = "my-company/support-model"
folder = "~/models/support-model"      # leave it out for a model of the hub
parameters_millions = 102
download_gb = 0.41
memory_gb = 1.1
dimension = 768
max_tokens = 512                       # special tokens included
pooling = "cls"                        # cls, mean or lasttoken
query_prompt = "为这个句子生成表示以用于检索相关文章："
passage_prompt = ""
languages = ["zh", "en"]
licence = "our own"
commercial = true
"""

_HEAD = """\
<!-- Made from rag_app/models/catalogue.toml: python -m rag_app.models.catalogue_page > docs/models.md -->

# Models

本页列出本程序认识的模型：嵌入模型（embedding）、重排模型（reranker）和生成模型（generator），由目录文件自动生成。
提示词（prompt）必须逐字照抄，包括末尾的空格和换行；查询和文档的提示词往往不同。分数是公开评测的 nDCG@10×100，越高越好；
模型若用某个评测的数据训练过，它在该评测上的分数就不大能说明它在您的文档上的表现。没有列出的模型也可以使用。

These are the models that the catalogue knows. Any other model in the format of sentence-transformers works as well: its own
files then say what it needs. Which one to choose: [choosing.md](choosing.md). How to get one:
[models-offline.md](models-offline.md).

## How to read this page

- Parameters are in millions, download and memory in gigabytes; memory is calculated for 32-bit floats and short batches.
- Family: *domain* for pictures; else *light* with at most 150 million parameters; else *domain* for one language other than
  English; else *general*, for many subjects.
- Dimension: how many numbers a vector has, and in brackets how many are left where it may be cut: `--embed-model ID@256`.
- Window: how many tokens of a text are read, prompt and special tokens included, as the authors run the model and at most
  8192.
- Licence: that of the weights. *Not commercial* is said before such a model is downloaded as well.
- Figures are published ones, nDCG@10 times 100, means over the tasks of a benchmark; higher is better, "-" is not published.
  There is more than one since models differ in what they are good at: an English figure says nothing of Chinese.
"""

_TRAINED_ON = """\
*Trained on* names the tasks of these benchmarks that a model was trained on, as far as that is known ("-": it is not). Its
figures there say less about your documents than those of a model that had not seen the task: compare on your own.
"""

_PROMPTS = """\
What is put before a text, to the letter: the quotation marks are not part of it, a space before the closing one is, and `\\n`
is a line break. A model was trained with its prompts: with other ones, or none, its vectors are worse, and nothing says so.
"""

_RERANKERS = """\
Read question and passage together, after the search: [reranking.md](reranking.md). None is bundled.

"""

_OWN_ROWS = """\
## A row of your own

A model without a row works: prompts, pooling and window are read from its own files. Where those are silent or wrong, write a
row into `catalogue.toml` in your data folder (`~/.local/share/rag-app` on Linux, `~/Library/Application Support/rag-app` on
macOS, `%LOCALAPPDATA%\\rag-app` on Windows). Rows are merged over the packaged ones by id: for a model of this page, give its
id and the fields that are to change.

```toml
{example}```

`rag-app models show my-company/support-model` shows what was understood, `--embed-model my-company/support-model` uses it. The
head of [catalogue.toml](../rag_app/models/catalogue.toml) explains the other fields.
"""


def catalogue_page(catalogue: Catalogue) -> str:
    """Return the page in Markdown, with the rows in the order of the catalogue."""
    parts = (
        _HEAD,
        "\n".join(f"  - {name}: {meaning}." for name, meaning in BENCHMARKS.items()) + "\n\n" + _TRAINED_ON,
        "## Embedding models\n\n" + _embedder_table(catalogue.embedders),
        "### Figures\n\n" + _figure_table(catalogue.embedders),
        "### Prompts and notes\n\n" + _PROMPTS,
        *(_embedder_notes(row) for row in catalogue.embedders),
        "## Rerankers\n\n" + _RERANKERS + _reranker_table(catalogue.rerankers),
        "## Generators\n\n" + _generator_table(catalogue.generators),
        _OWN_ROWS.format(example=EXAMPLE_ROW),
    )
    return parts[0] + "\n".join(parts[1:])


def _embedder_table(rows: Sequence[EmbedderRow]) -> str:
    head = [*_COMMON, "Dimension", "Window", "Languages", "Licence", "Runs"]
    return _table(
        head,
        (
            [*_common(row), _dimension(row), str(row.max_tokens), _languages(row), _licence(row), _RUNS[row.runs]]
            for row in rows
        ),
    )


def _figure_table(rows: Sequence[EmbedderRow]) -> str:
    return _table(
        ["Model", *BENCHMARKS, "Trained on"],
        (
            [
                row.id,
                *(f"{row.figures[name]:.1f}" if name in row.figures else "-" for name in BENCHMARKS),
                row.trained_on or "-",
            ]
            for row in rows
        ),
    )


def _reranker_table(rows: Sequence[RerankerRow]) -> str:
    return _table(
        [*_COMMON, "Window", "Languages", "Licence", "Notes"],
        ([*_common(row), str(row.max_tokens), _languages(row), _licence(row), row.notes] for row in rows),
    )


def _generator_table(rows: Sequence[GeneratorRow]) -> str:
    return _table(
        [*_COMMON, "Context", "Languages", "Licence", "Notes"],
        (
            [
                *_common(row),
                str(row.context_tokens),
                _languages(row),
                _licence(row),
                f"{row.notes} {row.chat_template}".strip(),
            ]
            for row in rows
        ),
    )


_COMMON = ["Model", "Family", "Parameters", "Download", "Memory"]


def _common(row: ModelRow) -> list[str]:
    return [_link(row), str(row.family), f"{row.parameters_millions:g}", f"{row.download_gb:g}", f"{row.memory_gb:g}"]


def _link(row: ModelRow) -> str:
    name = f"[{row.id}](https://huggingface.co/{row.id})"
    return f"{name} (`{row.alias}`)" if row.alias else name


def _dimension(row: EmbedderRow) -> str:
    cuts = ", ".join(str(length) for length in row.matryoshka)
    return f"{row.dimension} ({cuts})" if cuts else str(row.dimension)


def _languages(row: ModelRow) -> str:
    named = [language for language in row.languages if language != "multilingual"]
    return ", ".join(named) + (" and more" if len(named) < len(row.languages) else "")


def _licence(row: ModelRow) -> str:
    words = [row.licence, "" if row.commercial else "*not commercial*", "to be accepted first" if row.gated else ""]
    return ", ".join(word for word in words if word)


def _embedder_notes(row: EmbedderRow) -> str:
    return "\n".join((f"#### {row.id}\n", f"{row.notes}\n", *(f"- {line}" for line in _facts(row)), ""))


def _facts(row: EmbedderRow) -> Iterator[str]:
    """Give the lines of a model's list: prompts, what its vectors are, which files they are, sources."""
    yield f"Before a question: {_prompt(row.query_prompt)}. Before a passage: {_prompt(row.passage_prompt)}."
    made = [f"Pooling: {row.pooling}"]
    made += [f"every text ends in `{row.end_of_sequence}`"] if row.end_of_sequence else []
    made += ["attention looks both ways"] if row.bidirectional else []
    made += ["a layer is normalised before vectors are cut"] if row.layer_norm_before_cut else []
    yield "; ".join(made) + "."
    places = [f"the revision `{row.revision}`"] if row.revision else []
    places += [f"on ModelScope {row.modelscope_id}"] if row.modelscope_id else []
    places += [f"in the Python package {row.package}"] if row.package else []
    yield f"Files: {', '.join(places) or 'the newest revision'}."
    yield f"Sources: {'; '.join(f'{name}: {source}' for name, source in row.sources.items())}."


def _prompt(prompt: str) -> str:
    """Show a prompt so that each space and line break of it can be seen."""
    return f"`{json.dumps(prompt, ensure_ascii=False)}`" if prompt else "nothing"


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.buffer.write(catalogue_page(packaged_catalogue()).encode())
