"""Plain texts side by side, and folders whose metadata name files."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from elman.core.errors import DataError, InputError
from elman.data.files import files_of
from elman.data.folder import FILES
from elman.data.read import read


def _said(path: Path | str, error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        read(path)
    return str(caught.value)


# Side by side -------------------------------------------------------------------------------------------------


def test_aligned_texts_are_columns_called_by_their_suffixes(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("ein Hund\n\neine Katze\n")
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(b"a dog\nnothing\r\na cat"))
    file = f"{tmp_path / 'train.de'}+{tmp_path / 'train.en.gz'}"
    table = read(file)
    assert table.frame.to_dict(as_series=False) == {
        "de": ["ein Hund", "", "eine Katze"],
        "en": ["a dog", "nothing", "a cat"],
    }
    assert table.lines.tolist() == [1, 2, 3]
    assert [path.name for path in files_of(file)] == ["train.de", "train.en.gz"]


def test_aligned_texts_of_one_suffix_are_called_by_their_names(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x\n")
    assert read(f"{tmp_path / 'a.txt'}+{tmp_path / 'b.txt'}").frame.columns == ["a", "b"]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x\n")
    assert "told apart" in _said(f"{tmp_path / 'a.txt'}+{tmp_path / 'sub' / 'a.txt'}", InputError)


def test_unequal_numbers_of_lines_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.de").write_text("1\n2\n3\n")
    (tmp_path / "t.en").write_text("1\n2\n")
    said = _said(f"{tmp_path / 't.de'}+{tmp_path / 't.en'}")
    assert "line 3: " in said
    assert "t.de has 3, " in said
    assert "t.en has 2;" in said


def test_what_cannot_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "t.de").write_text("1\n")
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert "Did you mean 't.de'?" in _said(f"{tmp_path / 't.de'}+{tmp_path / 't.en'}")
    assert "only plain texts" in _said(f"{tmp_path / 't.de'}+{tmp_path / 't.csv'}", InputError)
    (tmp_path / "a+b.csv").write_text("a\n1\n")
    assert read(tmp_path / "a+b.csv").frame.columns == ["a"]


# Folders ------------------------------------------------------------------------------------------------------


def _folder(folder: Path, **files: object) -> Path:
    """A folder with a file a row; what is no text is an array."""
    for name, content in files.items():
        stem, _, kind = name.rpartition("_")
        path = folder / f"{stem}.{kind}"
        if isinstance(content, str):
            path.write_text(content)
        else:
            np.save(path, np.asarray(content))
    names = [f"{name.rpartition('_')[0]}.{name.rpartition('_')[2]}" for name in files]
    (folder / "metadata.csv").write_text("file_name,label\n" + "".join(f"{name},a\n" for name in names))
    return folder


@pytest.mark.parametrize("kind", [kind[1:] for kind in FILES])
def test_files_of_a_folder_are_sequences(tmp_path: Path, kind: str) -> None:
    one = {"csv": "t,x\n1,2\n3,4.5\n", "tsv": "t\tx\n1\t2\n3\t4.5\n", "npy": [[1, 2], [3, 4.5]], "txt": "a b\n"}[kind]
    table = read(_folder(tmp_path, **{f"one_{kind}": one, f"two_{kind}": one}))
    expected = {
        "csv": {"t": [[1.0, 3.0]] * 2, "x": [[2.0, 4.5]] * 2},
        "npy": {"x1": [[1.0, 3.0]] * 2, "x2": [[2.0, 4.5]] * 2},
        "txt": {"text": ["a b\n"] * 2},
    }
    found = table.frame.to_dict(as_series=False)
    assert found.pop("file_name") == [f"one.{kind}", f"two.{kind}"]
    assert found.pop("label") == ["a", "a"]
    assert found == expected.get(kind, expected["csv"])
    assert table.lines.tolist() == [2, 3]


def test_metadata_as_json_lines_and_arrays_of_one_channel(tmp_path: Path) -> None:
    _folder(tmp_path, a_npy=[1, 2], b_npy=np.float32([0.5]))
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.jsonl").write_text('{"file": "a.npy", "y": 1}\n{"file": "b.npy", "y": 2}\n')
    assert read(tmp_path).frame.to_dict(as_series=False) == {
        "file": ["a.npy", "b.npy"],
        "y": [1, 2],
        "x": [[1.0, 2.0], [0.5]],
    }


def _promising() -> bytes:
    """An array that says it has a million million numbers, and has none."""
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    return made.getvalue()


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


BAD = {
    "outside": ("../x.txt", b"", "line 2, column 'file_name': '../x.txt' lies outside"),
    "absent": ("y.txt", None, "there is no file"),
    "another kind": ("y.xlsx", b"", "no kind of file that is read here"),
    "text in a series": ("y.csv", b"t,x\n1,a\n", r"y\.csv, line 2, column 'x': .* here is 'a'"),
    "pickled": ("y.npy", pickle.dumps(_Trap()), "no whole array of numbers"),
    "empty promise": ("y.npy", _promising(), "no whole array of numbers"),
    "other columns": ("y.txt", b"hello", r"'y\.txt' holds text, but the first file t"),
    "not named": ("", b"", "names no file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders(tmp_path: Path, case: str) -> None:
    name, content, said = BAD[case]
    folder = tmp_path / "data"
    folder.mkdir()
    if content is not None and name:
        (folder / name).write_bytes(content)
    (folder / "first.csv").write_text("t\n1\n")
    rows = [("first.csv", "a"), (name, "b")] if case == "other columns" else [(name, "b"), ("first.csv", "a")]
    (folder / "metadata.csv").write_text("file_name,y\n" + "".join(f"{a},{b}\n" for a, b in rows))
    with pytest.raises(DataError, match=said):
        read(folder)


def test_arrays_of_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([_Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "metadata.csv").write_text("file_name,y\na.npy,1\n")
    assert "no whole array of numbers" in _said(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "metadata.csv").write_text("file_name,y\na.txt,1\n")
    assert "outside the folder" in _said(folder)


@pytest.mark.parametrize(
    ("head", "said"),
    [("name,y", "no column says which file.* Did you mean|Call it file_name"), ("file_name,text", "'text' is in the")],
)
def test_metadata_that_do_not_fit(tmp_path: Path, head: str, said: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "metadata.csv").write_text(f"{head}\na.txt,1\n")
    with pytest.raises(DataError, match=said):
        read(tmp_path)


# Traps --------------------------------------------------------------------------------------------------------


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elman.data.files._FREE", 1 << 20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * (2 << 20)))
    said = _said(path)
    assert "unpack to more than 1,048,576" in said
    assert f"gunzip -k '{path}'" in said
