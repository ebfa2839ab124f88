"""The README's figures are those on record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def table_rows(text: str) -> list[list[str]]:
    """The cells of every row of the tables in a text, their heads left out."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def readme_rows() -> list[list[str]]:
    """The cells of every row of the README's table of measured figures."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Measured", 1)[1].split("\n## ", 1)[0]
    return table_rows(section)[2:]


def pairs(cell: str) -> list[tuple[set[str], str]]:
    """Every figure of a cell with the words beside it; what stands in brackets or as code is no figure of its own."""
    parts = re.split(r"[,;]", re.sub(r"\([^)]*\)|`[^`]*`", "", cell))
    return [
        (set(re.findall(r"[^\W\d_]+", part.lower())), figure)
        for part in parts
        for figure in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", part)
    ]


def missing(rows: list[list[str]], record: str) -> list[str]:
    """Figures of the rows that no row of the record of the same data set gives to something of the same name."""
    found = []
    for name, *cells in rows:
        known = [pair for own, *rest in table_rows(record) if own == name for cell in rest for pair in pairs(cell)]
        for words, figure in (pair for cell in cells for pair in pairs(cell)):
            if not any(figure == other and words & named for named, other in known):
                found.append(f"{name}: {figure}")
    return found


def test_every_figure_of_the_readme_is_on_record() -> None:
    rows = readme_rows()
    assert rows, "the README's section 'Measured' has no table"
    record = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert missing(rows, record) == []


def test_a_figure_that_is_not_on_record_is_found() -> None:
    record = "| JapaneseVowels | accuracy 0.981 (median; 0.968 0.989) | 0 | plain GRU 0.974, ridge 0.12 | `--lr 0.5` |"
    assert missing([["JapaneseVowels", "accuracy 0.981", "GRU 0.974"]], record) == []
    for wrong in ("accuracy 0.999", "accuracy 0.98", "accuracy 0.9811", "accuracy 10.981", "accuracy 0.968"):
        figure = wrong.split()[1]
        assert missing([["JapaneseVowels", wrong]], record) == [f"JapaneseVowels: {figure}"], wrong
    # A figure belongs to its name, and a name to its data set.
    assert missing([["JapaneseVowels", "accuracy 0.974"]], record) == ["JapaneseVowels: 0.974"]
    assert missing([["JapaneseVowels", "GRU 0.12, ridge 0.974"]], record) == [
        f"JapaneseVowels: {f}" for f in ("0.12", "0.974")
    ]
    assert missing([["ETTh1", "accuracy 0.981"]], record) == ["ETTh1: 0.981"]
    assert missing([["Vowels", "accuracy 0.981"]], record) == ["Vowels: 0.981"]
