"""The README's figures are those on record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def readme_rows() -> list[list[str]]:
    """The cells of every row of the README's table of measured figures."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Measured", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def missing(rows: list[list[str]], record: str) -> list[str]:
    """Figures of the rows that no line of the record naming the same data set holds."""
    found = []
    for name, *cells in rows:
        lines = [line for line in record.splitlines() if name.lower() in line.lower()]
        figures = [figure for cell in cells for figure in re.findall(r"\d+\.\d+", cell)]
        found += [f"{name}: {figure}" for figure in figures if not any(figure in line for line in lines)]
    return found


def test_every_figure_of_the_readme_is_on_record() -> None:
    rows = readme_rows()
    assert rows, "the README's section 'Measured' has no table"
    record = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert missing(rows, record) == []


def test_a_figure_that_is_not_on_record_is_found() -> None:
    record = "| JapaneseVowels | 0.981 | 3 seeds |"
    assert missing([["JapaneseVowels", "0.981"]], record) == []
    assert missing([["JapaneseVowels", "0.999"]], record) == ["JapaneseVowels: 0.999"]
    assert missing([["ETTh1", "0.981"]], record) == ["ETTh1: 0.981"]
