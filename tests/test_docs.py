"""What README.md and docs/ say is true: code runs, commands exist; and no file tells of one machine."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("**/*.md"))]
SHELLS = {"console", "bash", "sh", "shell"}
NOT_RUN = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
NOT_RUN_LIMIT = 2
LARGEST = 1_000_000

# Split, so that this file does not match itself.
MACHINE = re.compile("|".join(["/wo" + "rk/", "/tm" + r"p/\w", "/ro" + "ot/", "/ho" + r"me/\w", "/Us" + r"ers/\w"]))
REGISTRY = re.compile("|".join(["pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(org|com)"]))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, the line of its fence, and why it is not to be run, if so."""

    language: str
    text: str
    line: int
    not_run: str | None = None


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    found, lines, start = [], page.splitlines(), None
    indent = ""
    for number, line in enumerate(lines):
        if start is None and (opening := re.match(r"(\s*)```", line)):
            start, indent = number, opening.group(1)
        elif start is not None and line.strip() == "```":
            text = "\n".join(each.removeprefix(indent) for each in lines[start + 1 : number]) + "\n"
            before = next((each for each in reversed(lines[:start]) if each.strip()), "")
            mark = NOT_RUN.fullmatch(before.strip())
            language = lines[start].strip().removeprefix("```").split(" ")[0]
            found.append(Block(language, text, start + 1, mark and mark.group(1)))
            start = None
    return found


def commands(block: Block) -> list[list[str]]:
    """The words of every ``elman …`` command in a shell block; a pipeline gives several.

    Where a line begins with ``$``, the other lines are output.
    """
    lines = block.text.replace("\\\n", " ").splitlines()
    prompted = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
    found = []
    for line in prompted or lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>()"):
                found.append(command)
                command = []
            elif command or not re.match(r"\w+=", word):  # VARIABLE=value stands before the command
                command.append(word)
    modules = [command[2:] if command[:2] == ["python", "-m"] else command for command in found]
    return [command[1:] for command in modules if command[:1] == ["elman"]]


@cache
def command_line() -> Any:
    import typer

    from elman.cli.verbs import app

    return typer.main.get_command(app)


def misuse(words: list[str], command: Any) -> str | None:
    """Why a command line is not one that ``command`` knows, or None. Values are not looked at."""
    options = {"--help"}
    for word in words:
        verbs = getattr(command, "commands", None)
        options |= {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name[0] == "-"}
        if re.match(r"-{1,2}[A-Za-z]", word):
            if word.split("=")[0] not in options:
                return f"no option {word}; there are {', '.join(sorted(options))}"
        elif verbs is not None:
            if word not in verbs:
                return f"no verb {word}; there are {', '.join(sorted(verbs))}"
            command = verbs[word]
    return None


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# ------------------------------------------------------------------ the pages


def test_readme_is_short_and_starts_with_code() -> None:
    page = read(README)
    assert len(page.splitlines()) <= 150
    code = [b.line for b in blocks(page) if b.language in {"python", *SHELLS}]
    assert code
    assert code[0] <= 30


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_python_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(read(path)):
        if block.language == "python" and block.not_run is None:
            # Blank lines in front: a traceback then shows the line of the page.
            code = compile("\n" * block.line + block.text, str(path), "exec")
            exec(code, namespace)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_few_blocks_are_not_run_and_each_says_why(path: Path) -> None:
    reasons = [b.not_run for b in blocks(read(path)) if b.not_run is not None]
    assert all(reasons)
    assert len(reasons) <= NOT_RUN_LIMIT


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_commands_exist(path: Path) -> None:
    shells = [b for b in blocks(read(path)) if b.language in SHELLS]
    wrong = {
        f"{path.name}:{block.line} elman {shlex.join(words)}": why
        for block in shells
        for words in commands(block)
        if (why := misuse(words, command_line()))
    }
    assert wrong == {}


# ------------------------------------------------------------------ the files


@cache
def files() -> list[Path]:
    """What is in the repository or about to be."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def told(text: str) -> list[str]:
    """Places in a text that name a folder of one machine, or the host of a package registry."""
    return [m.group() for pattern in (MACHINE, REGISTRY) for m in pattern.finditer(text)]


def test_no_file_is_large() -> None:
    assert {str(p.relative_to(ROOT)): size for p in files() if (size := p.stat().st_size) > LARGEST} == {}


def test_no_text_tells_of_one_machine_or_registry() -> None:
    texts = {p: data.decode("utf-8", "replace") for p in files() if b"\0" not in (data := p.read_bytes())}
    assert {str(p.relative_to(ROOT)): found for p, text in texts.items() if (found := told(text))} == {}


# ------------------------------------------------------------------ these checks bite

PAGE = """# Title

```python
x = 1
```

<!-- not run: needs a microphone -->

```python
listen()
```

1. In a list:
   ```console
   $ elman train a.csv --from text \\
       --to label | tee log && elman show run
   it's output: elman shows (1)
   $ A=1 python -m elman show "my run"  # it's a comment
   ```
"""


def test_blocks_are_found_with_their_marks() -> None:
    first, second, third = blocks(PAGE)
    assert (first.language, first.text, first.line, first.not_run) == ("python", "x = 1\n", 3, None)
    assert second.not_run == "needs a microphone"
    assert commands(third) == [
        ["train", "a.csv", "--from", "text", "--to", "label"],
        ["show", "run"],
        ["show", "my run"],
    ]
    assert commands(Block("sh", "elman show a\nls\n", 1)) == [["show", "a"]]


def test_unknown_verbs_and_options_are_reported() -> None:
    import typer

    app = typer.Typer()

    @app.command()
    def train(file: str, source: str = typer.Option("", "--from")) -> None: ...

    @app.command()
    def show(run: str) -> None: ...

    command = typer.main.get_command(app)
    assert misuse(["train", "a.csv", "--from", "text"], command) is None
    assert misuse(["train", "a.csv", "--from=-1"], command) is None
    assert misuse(["show", "--help"], command) is None
    assert "no verb trian" in str(misuse(["trian", "a.csv"], command))
    assert "no option --form" in str(misuse(["train", "a.csv", "--form", "text"], command))
    assert "no option --from" in str(misuse(["show", "--from", "text"], command))


def test_paths_of_one_machine_are_reported() -> None:
    paths = ["/wo" + "rk/x", "see /ro" + "ot/y", "/tm" + "p/z", "https://pypi" + ".org/simple"]
    assert all(told(path) for path in paths)
    assert told("tmp/x, $ELMAN_DATA/co2.csv, /usr/bin, a network/of cells") == []
