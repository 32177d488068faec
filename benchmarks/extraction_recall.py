"""Which share of the words that an independent program finds in a file are in the text that a build makes of it.

    apt-get install poppler-utils pandoc libreoffice-impress libreoffice-calc
    python benchmarks/extraction_recall.py PATH/TO/markitdown PATH/TO/py-pdf-sample-files

PDF is read by pdftotext; DOCX, ODT, RTF, EPUB and HTML by pandoc (of HTML only the main text: no nav, header, footer, aside);
PPTX and XLSX by LibreOffice. Words are runs of letters and digits after NFKC and case folding, CJK characters one by one.
Each counts as often as it stands there; where letters were found and words were not, the two sides part words differently.
What pictures say is not counted: scanned pages are not read here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import lxml.html

from ingest.parsing import ParsedDocument, parse
from ingest.parsing_plan import plan_parsing
from ingest.sources import InputFile, discover, resolve_sources
from rag_app.config import load_settings
from rag_app.text import searchable

ENOUGH = 0.98
SECONDS = 120
EXAMPLES = 8
_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_FURNITURE = ("nav", "header", "footer", "aside", "script", "style", "noscript", "template")
# Every sheet of a workbook as a file of its own, cells as they are shown (LibreOffice, "Filter Options for CSV").
_CSV_OF_ALL_SHEETS = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"


def main() -> None:
    """Print a Markdown table of the files, one of the formats, and which files one side or the other could not read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    recalls: dict[str, list[tuple[float, float]]] = defaultdict(list)
    not_compared = []
    print(
        "| file | words | recall | recall of letters | words missed, the first of them |\n| --- | --- | --- | --- | --- |"
    )
    for folder in arguments.folders:
        texts, reasons, files = _our_texts(folder)
        for path, file in files.items():
            theirs, problem = _their_text(file)
            expected, found = _words(theirs), _words(texts.get(path, ""))
            if not expected or path not in texts:
                problem = problem or f"{READERS[file.suffix.lower()][0]} finds {expected.total()} words in it"
                not_compared.append(f"`{path}`: {problem}" + (f"; {reasons[path]}" if path in reasons else ""))
                continue
            missed = expected - found
            recall = _recall(expected, found)
            examples = " ".join(list(missed)[:EXAMPLES]) if recall < ENOUGH else ""
            letters = _recall(_letters(expected), _letters(found))
            recalls[file.suffix.lower()].append((recall, letters))
            print(f"| `{path}` | {expected.total()} | {recall:.4f} | {letters:.4f} | {examples} |", flush=True)
    _print_formats(recalls)
    print("\nNot compared:\n")
    for line in not_compared:
        print(f"- {line}")


def _print_formats(recalls: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n| format | beside | files | mean | minimum | below {ENOUGH} | mean of letters |\n{'| --- ' * 7}|")
    for ending, pairs in sorted(recalls.items()):
        of_words, of_letters = zip(*pairs, strict=True)
        below = sum(recall < ENOUGH for recall in of_words)
        shares = f"{mean(of_words):.4f} | {min(of_words):.4f} | {below} | {mean(of_letters):.4f}"
        print(f"| {ending} | {READERS[ending][0]} | {len(pairs)} | {shares} |")


def _our_texts(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, Path]]:
    """Return the text by path, the reason by path where there is none, and the files, of formats that are compared."""
    settings = load_settings(reading={"ocr": False})
    found = discover(resolve_sources([folder], [], replace=False), max_bytes=settings.limits.file_megabytes * 1_000_000)
    entries = [entry for entry in found if isinstance(entry, InputFile) and entry.file.suffix.lower() in READERS]
    texts, reasons = {}, {}
    for outcome in parse(entries, plan_parsing(settings, settings.chunking), None, lambda path: None):
        if isinstance(outcome, ParsedDocument):
            texts[outcome.document.path] = outcome.document.text
        else:
            reasons[outcome.path] = f"{outcome.status}: {outcome.reason}"
    return texts, reasons, {entry.path: entry.file for entry in entries}


def _their_text(file: Path) -> tuple[str, str]:
    """Return the text that another program finds in a file, and what went wrong, which is empty where nothing did."""
    name, read = READERS[file.suffix.lower()]
    try:
        with tempfile.TemporaryDirectory() as folder:
            return read(file, Path(folder)), ""
    except subprocess.TimeoutExpired:
        return "", f"{name} took longer than {SECONDS} s"
    except (subprocess.CalledProcessError, ValueError, LookupError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        return "", f"{name} cannot read it: {said[:100]}".replace("\n", " ")


def _run(*command: str | Path, given: bytes = b"") -> str:
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=SECONDS)
    return done.stdout.decode(errors="replace")


def _pdftotext(file: Path, _: Path) -> str:
    return _run("pdftotext", "-enc", "UTF-8", file, "-")


def _pandoc(file: Path, _: Path) -> str:
    return _run("pandoc", "-t", "plain", "--wrap=none", file)


def _pandoc_main_text(file: Path, _: Path) -> str:
    page = lxml.html.document_fromstring(file.read_bytes())
    for element in page.xpath("|".join(f"//{tag}" for tag in _FURNITURE)):
        element.drop_tree()
    main = (page.xpath("//main") or page.xpath("//article") or page.xpath("//body"))[0]
    return _run("pandoc", "-f", "html", "-t", "plain", "--wrap=none", given=lxml.html.tostring(main, encoding="utf-8"))


def _slides(file: Path, folder: Path) -> str:
    _libreoffice(file, folder, "pdf")
    return "".join(_pdftotext(made, folder) for made in folder.glob("*.pdf"))


def _sheets(file: Path, folder: Path) -> str:
    _libreoffice(file, folder, _CSV_OF_ALL_SHEETS)
    return "\n".join(made.read_text(encoding="utf-8", errors="replace") for made in sorted(folder.glob("*.csv")))


def _libreoffice(file: Path, folder: Path, form: str) -> None:
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    _run("soffice", profile, "--headless", "--convert-to", form, "--outdir", folder, file.resolve())
    if not any(folder.glob(f"*.{form.partition(':')[0]}")):
        raise ValueError("no output")


READERS: dict[str, tuple[str, Callable[[Path, Path], str]]] = {
    ".pdf": ("pdftotext", _pdftotext),
    ".docx": ("pandoc", _pandoc),
    ".odt": ("pandoc", _pandoc),
    ".rtf": ("pandoc", _pandoc),
    ".epub": ("pandoc", _pandoc),
    ".html": ("pandoc", _pandoc_main_text),
    ".pptx": ("LibreOffice", _slides),
    ".xlsx": ("LibreOffice", _sheets),
}


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", searchable(text)).casefold()))


def _letters(words: Counter[str]) -> Counter[str]:
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update({letter: number * count for letter, number in Counter(word).items()})
    return letters


def _recall(expected: Counter[str], found: Counter[str]) -> float:
    return 1 - (expected - found).total() / expected.total()


if __name__ == "__main__":
    main()
