"""From files to parts: what says which part a row is in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from elman import InputError
from elman.data.prepare import Request, prepare


def _parted(path: Path, *parts: str) -> str:
    """Texts with a split column, ten rows a part."""
    rows = [f"{'ab'[k % 2] * 2},{'uv'[k % 2]},{part}" for part in parts for k in range(10)]
    path.write_text("t,y,part\n" + "\n".join(rows) + "\n")
    return str(path)


@pytest.mark.parametrize("parts", [("train", "valid"), ("train", "valid", "test"), ("train",)])
@pytest.mark.parametrize("valid", [False, True])
def test_a_split_column_and_a_test_file_are_too_much(tmp_path: Path, parts: tuple[str, ...], valid: bool) -> None:
    file, other = _parted(tmp_path / "t.csv", *parts), _parted(tmp_path / "e.csv", "test")
    request = Request(file, "text:t", "label:y", split="part", test=other, valid=other if valid else None)
    with pytest.raises(InputError, match="--split and --test both say what the test part is"):
        prepare(request)


def test_a_split_column_that_names_valid_and_a_validation_file_are_too_much(tmp_path: Path) -> None:
    other = _parted(tmp_path / "v.csv", "valid")
    with pytest.raises(InputError, match=r"--valid and the column 'part' \(--split\) both say what validates; leave"):
        prepare(Request(_parted(tmp_path / "t.csv", "train", "valid"), "text:t", "label:y", split="part", valid=other))
    file = _parted(tmp_path / "t.csv", "train", "test")
    made = prepare(Request(file, "text:t", "label:y", split="part", valid=other))
    assert made.test is not None
    assert (len(made.train), len(made.valid), len(made.test)) == (10, 10, 10)


def test_what_would_have_validated_is_trained_on_where_a_file_validates(tmp_path: Path) -> None:
    file, other = _parted(tmp_path / "t.csv", *["train"] * 4), _parted(tmp_path / "v.csv", "valid")
    alone = prepare(Request(file, "text:t", "label:y"))
    assert alone.test is not None
    assert (len(alone.train), len(alone.valid), len(alone.test)) == (32, 4, 4)
    valid = prepare(Request(file, "text:t", "label:y", valid=other))
    assert valid.test is not None
    assert (len(valid.train), len(valid.valid), len(valid.test)) == (36, 10, 4)
    test = prepare(Request(file, "text:t", "label:y", test=other))
    assert test.test is not None
    assert (len(test.train), len(test.valid), len(test.test)) == (36, 4, 10)


@pytest.mark.parametrize(("count", "horizon", "lookback"), [(1000, 24, 96), (1000, 100, 200), (200, 20, 60)])
def test_the_history_of_a_forecast_is_twice_what_is_forecast_or_96_steps_if_there_are(
    tmp_path: Path, count: int, horizon: int, lookback: int
) -> None:
    (tmp_path / "s.csv").write_text("x\n" + "\n".join(str(k % 7) for k in range(count)))
    assert prepare(Request(str(tmp_path / "s.csv"), "series:x", f"future:{horizon}")).lookback == lookback
