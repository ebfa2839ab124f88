"""Sentences of CoNLL: what becomes of tokens, and what is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError
from elman.data.read import read

UNIVERSAL = """# sent_id = 1
# text = He didn't.
1\tHe\the\tPRON\t_\t_\t2\tnsubj\t_\t_
2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdid\tdo\tAUX\t_\t_\t0\troot\t_\t_
3\tn't\tnot\tPART\t_\t_\t2\tadvmod\t_\t_
3.1\t_\t_\t_\t_\t_\t_\t_\t_\t_

1\t#\t#\tSYM\t_\t_\t0\troot\t_\tSpaceAfter=No
"""


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["t.conllu", "t.conllu.gz"])
def test_universal_sentences_are_rows_of_lists(tmp_path: Path, name: str) -> None:
    table = read(_write(tmp_path, name, UNIVERSAL))
    assert table.frame.to_dict(as_series=False) == {
        "form": [["He", "did", "n't"], ["#"]],
        "lemma": [["he", "do", "not"], ["#"]],
        "upos": [["PRON", "AUX", "PART"], ["SYM"]],
        "head": [[2, 0, 2], [0]],
        "deprel": [["nsubj", "root", "advmod"], ["root"]],
        "misc": [["_", "_", "_"], ["SpaceAfter=No"]],
    }
    assert table.lines.tolist() == [3, 9]


@pytest.mark.parametrize("gap", ["\t", " "])
def test_columns_have_names_by_place_or_by_their_first_line(tmp_path: Path, gap: str) -> None:
    text = f"-DOCSTART-{gap}O\n\n# a comment of many words\nEU{gap}B-ORG\n#1{gap}O\n\n#{gap}O\n"
    table = read(_write(tmp_path, "t.conll", text))
    assert table.frame.to_dict(as_series=False) == {
        "column_1": [["EU", "#1"], ["#"]],
        "column_2": [["B-ORG", "O"], ["O"]],
    }
    assert table.lines.tolist() == [4, 7]
    named = read(_write(tmp_path, "t.iob2", "# global.columns = FORM NER:TAG\n" + text))
    assert named.frame.columns == ["form", "tag"]
    assert named.frame.rows() == table.frame.rows()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.conllu", UNIVERSAL.replace("\tnsubj\t_\t_", "\tnsubj\t_"), "line 3: 9 columns where 10 are expected"),
        ("t.conllu", UNIVERSAL.replace("\t0\troot", "\tx\troot"), "line 3, column 'head'.*'2 x 2'"),
        ("t.conllu", "# nothing\n\n", "no sentence"),
        ("t.conll", "a b\nc\n", "line 2: 1 columns where 2 are expected, between spaces"),
        ("t.conll", "a\tb\nc\td\te\n", "line 2: 3 columns where 2 are expected, between tabs"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(_write(tmp_path, name, text))


TOKEN = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(TOKEN, TOKEN), min_size=1, max_size=5), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path: Path, sentences: list[list[tuple[str, str]]]) -> None:
    text = "\n\n".join("\n".join("\t".join(token) for token in one) for one in sentences)
    table = read(_write(tmp_path, "t.conll", text + "\n"))
    assert [list(zip(*row, strict=True)) for row in table.frame.rows()] == sentences


@pytest.mark.skipif("ELMAN_DATA" not in os.environ, reason="ELMAN_DATA is not set")
def test_real_sentences() -> None:
    data = Path(os.environ["ELMAN_DATA"])
    assert read(data / "ud_english_ewt/en_ewt-ud-dev.conllu.gz").frame.height == 2001
    assert read(data / "wnut17/wnut17train.conll.gz").frame.height == 3394
