"""The import law: which room of src/elman may import which, read from the source.

Imports inside functions and for type checking count as well. Only ``elman/__init__.py`` is free to import
what it likes inside functions: its attributes are lazy. Parent packages, which Python imports along the way,
do not count.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
LIMIT = 400

FRONT = ("__init__", "run", "report", "record", "recorded", "online")
"""The front door in Python: what ``import elman`` gives, spread over root modules."""
FRONT_MAY = (
    *("core", "model", "data", "insight", "training", "pictures", "live", "export", "native_info"),
    *FRONT,
)
EVERYTHING = ("*",)
LAW: dict[str, tuple[str, ...]] = {
    "core": ("core",),
    "pictures": ("pictures",),
    "model": ("core", "model"),
    "data": ("core.ragged", "core.errors", "model", "data"),
    "insight": ("core", "model", "insight"),
    "live": ("core", "model", "live"),
    "export": ("core", "model", "export"),
    "bench": ("core", "live", "bench"),
    "training": ("core", "model", "data", "insight", "training"),
    "study": ("core", "model", "data", "insight", "training", "pictures", "run", "report", "__init__", "study"),
    "native_info": ("_native",),
    "sklearn": ("core", "model", "data", "training", "sklearn"),
    **dict.fromkeys(FRONT, FRONT_MAY),
    "recipes": EVERYTHING,
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
}
"""Room or root module → what it may import, as paths below elman; a path allows everything below it."""

NATIVE_IMPORTERS = ("elman.native_info", "elman.core.engines.operators", "elman.core.engines.scan")
CORE_OUTSIDE = frozenset({"torch", "numpy", *sys.stdlib_module_names})


@dataclass(frozen=True)
class Import:
    """One import: the module or attribute named, its line, and whether importing the file runs it."""

    target: str
    line: int
    runs: bool


def imports(source: str, module: str, is_package: bool = False) -> list[Import]:
    """All imports of a source text. ``from a import b`` is reported as ``a.b``."""
    package = module if is_package else module.rpartition(".")[0]
    return list(_walk(ast.parse(source).body, package, runs=True))


def _walk(nodes: list[ast.AST] | list[ast.stmt], package: str, runs: bool) -> Iterator[Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from (Import(f"{base}.{alias.name}", node.lineno, runs) for alias in node.names)
        elif (name := _imported_by_call(node)) is not None:
            yield Import(name, node.lineno, runs)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _walk(node.body, package, runs=False)
            yield from _walk(node.orelse, package, runs)
        else:
            lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _walk(list(ast.iter_child_nodes(node)), package, runs and not lazy)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def _imported_by_call(node: ast.AST) -> str | None:
    """The name in ``import_module("name")`` and ``__import__("name")``."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return None
    function = ast.unparse(node.func).rpartition(".")[2]
    name = node.args[0].value
    return name if function in {"import_module", "__import__"} and isinstance(name, str) else None


def violations(sources: Mapping[str, str]) -> list[str]:
    """What breaks the law in a package given as module name → source text."""
    packages = {name.rpartition(".")[0] for name in sources}
    found = {name: imports(text, name, name in packages) for name, text in sources.items()}
    said = [f"{m}:{i.line} {why}" for m in found for i in found[m] if (why := _forbidden(m, i))]
    graph = {
        module: {goal for i in all_imports if i.runs and (goal := _module(i.target, sources)) not in (None, module)}
        for module, all_imports in found.items()
    }
    return said + [f"import cycle: {' → '.join(cycle)}" for cycle in _cycles(graph)]


def _forbidden(module: str, imported: Import) -> str | None:
    room = module.split(".")[1] if "." in module else "__init__"
    target = imported.target
    if room not in LAW:
        return f"elman.{room} has no line in the table of the import law"
    if target.split(".")[0] != "elman":
        outside = room == "core" and target.split(".")[0] not in CORE_OUTSIDE
        return f"core imports {target}; it may use torch, numpy and the standard library only" if outside else None
    if module == "elman" and not imported.runs:
        return None
    path = target.partition(".")[2]
    path = "__init__" if path in ("", "__version__") else path
    if path.split(".")[0] == "_native":
        return None if module in NATIVE_IMPORTERS else f"only {' and '.join(NATIVE_IMPORTERS)} import elman._native"
    if LAW[room] == EVERYTHING or any(f"{path}.".startswith(f"{allowed}.") for allowed in LAW[room]):
        return None
    return f"{room} may not import {target}; it may import {', '.join(LAW[room])}"


def _module(target: str, modules: Mapping[str, object]) -> str | None:
    """The module that ``target`` names: itself, or the one it is an attribute of."""
    if target in modules or target == "elman._native":
        return target if target in modules else None
    parent = target.rpartition(".")[0]
    return parent if parent in modules else None


def _cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One cycle for each back edge of a depth-first walk; none if and only if the graph has none."""
    done: set[str] = set()
    cycles: list[list[str]] = []

    def visit(node: str, path: list[str]) -> None:
        if node in path:
            cycles.append([*path[path.index(node) :], node])
        elif node not in done:
            for goal in sorted(graph.get(node, ())):
                visit(goal, [*path, node])
            done.add(node)

    for node in sorted(graph):
        visit(node, [])
    return cycles


def read_sources() -> dict[str, str]:
    sources = {}
    for path in sorted(SOURCE.glob("elman/**/*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


# ------------------------------------------------------------------ the law holds


def test_the_sources_keep_the_law() -> None:
    assert violations(read_sources()) == []


def test_every_package_has_an_init() -> None:
    folders = {path.parent for path in SOURCE.glob("elman/**/*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_files_are_short() -> None:
    files = [p for pattern in ("src/elman/**/*.py", "csrc/*") for p in ROOT.glob(pattern) if p.is_file()]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert {name: length for name, length in lengths.items() if length >= LIMIT} == {}


BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)
sys.meta_path.insert(0, Blocker())
"""
UNFOLD = """
import torch
from elman.core import LSTMCell, Ragged, unfold
outputs, state = unfold(LSTMCell(2, 3), Ragged(torch.randn(5, 2, 2), torch.tensor([5, 3])))
print(*outputs.values.shape)
"""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_core_works_with_torch_and_numpy_alone() -> None:
    blocked = {"polars", "typer", "rich", "pydantic", "safetensors", "matplotlib", "sklearn", "scipy"}
    assert run_python(BLOCK.format(blocked=blocked) + UNFOLD) == "5 2 3"


def test_import_elman_is_light() -> None:
    heavy = ("polars", "typer", "rich", "matplotlib", "sklearn")
    loaded = run_python(f"import sys, elman; print(*[name for name in {heavy} if name in sys.modules])")
    assert loaded == ""


def test_a_training_does_without_the_compiler_of_torch(tmp_path: Path) -> None:
    """torch's optimisers load it to tell it to leave them alone, and sympy with it, before the first step: 5 s."""
    (tmp_path / "a.txt").write_text("so it goes and so it went. " * 40)
    code = f"""
    import sys, elman
    elman.train({str(tmp_path / "a.txt")!r}, "text.char", "next", out={str(tmp_path / "o")!r},
                epochs=2, hidden=4, save_every="1")
    print(*[name for name in ("torch._dynamo", "sympy") if name in sys.modules])
    """
    assert run_python(textwrap.dedent(code)) == ""


# ------------------------------------------------------------------ the checker bites


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("elman.core.state", "import elman.model.file", "core may not import elman.model.file"),
        ("elman.core.state", "from ..model import file", "core may not import elman.model.file"),
        (
            "elman.core.state",
            "def f():\n    from elman.data import read",
            "2 core may not import elman.data.read",
        ),
        ("elman.core.state", "import elman", "core may not import elman;"),
        ("elman.core.state", "import polars", "core imports polars"),
        ("elman.core.state", "def f():\n    import scipy.signal", "core imports scipy.signal"),
        ("elman.core.state", "f = lambda: __import__('rich')", "core imports rich"),
        ("elman.core.state", "from elman import _native", "import elman._native"),
        (
            "elman.model.file",
            "import importlib\nimportlib.import_module('elman.data.read')",
            "elman.data.read",
        ),
        (
            "elman.data.read",
            "from elman.core.ragged import Ragged\nfrom elman.core import unfold",
            ":2 data may",
        ),
        ("elman.data.read", "from elman.core.raggedness import Ragged", "data may not"),
        (
            "elman.pictures.svg",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from elman.core import state",
            ":3 pictures may not import elman.core.state",
        ),
        (
            "elman.training.loop",
            "try:\n    import elman.cli.app\nexcept ImportError:\n    pass",
            "elman.cli.app",
        ),
        ("elman.study.tune", "from elman.recipes import speech", "study may not import elman.recipes.speech"),
        ("elman.insight.flow", "class A:\n    from elman.data import read", "insight may not"),
        ("elman.run", "def f():\n    from elman.cli import main", "run may not import elman.cli.main"),
        ("elman", "import elman.cli", "__init__ may not import elman.cli"),
        ("elman.native_info", "import elman.core", "native_info may not"),
        ("elman.corridor.x", "import os", "elman.corridor has no line"),
    ],
)
def test_a_violation_is_reported(module: str, source: str, said: str) -> None:
    assert [said] == [said for line in violations({module: source}) if said in line]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("elman.core.state", "import numpy, torch\nfrom ast import parse\nfrom . import errors"),
        ("elman.core.engines.operators", "from elman import _native"),
        ("elman.data.read", "import polars\nfrom elman.core.errors import DataError\nimport elman.model"),
        ("elman", "def __getattr__(name):\n    import elman.cli"),
        ("elman.cli.app", "import typer, elman\nfrom elman.recipes import speech"),
        ("elman.study.tune", "from elman.pictures import svg"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, source: str) -> None:
    assert violations({module: source}) == []


def test_cycles_are_found_at_module_level_only() -> None:
    loop = {
        "elman.core": "",
        "elman.core.a": "from elman.core import b",
        "elman.core.b": "from elman.core.c import thing",
        "elman.core.c": "from . import a",
    }
    assert violations(loop) == ["import cycle: elman.core.a → elman.core.b → elman.core.c → elman.core.a"]
    assert violations({**loop, "elman.core.c": "def f():\n    from . import a"}) == []


def test_a_package_that_is_imported_by_its_own_module_is_a_cycle() -> None:
    cells = {
        "elman.core.cells": "from .lstm import LSTM",
        "elman.core.cells.lstm": "from elman.core.cells import base",
    }
    assert violations(cells) == ["import cycle: elman.core.cells → elman.core.cells.lstm → elman.core.cells"]


def test_blocked_packages_are_really_blocked() -> None:
    code = textwrap.dedent("""
        try:
            import polars.datatypes
        except ModuleNotFoundError as error:
            print(error)
    """)
    assert run_python(BLOCK.format(blocked={"polars"}) + code) == "polars is blocked"


def test_the_package_names_all_of_the_core_and_loads_it_only_when_it_is_used() -> None:
    import elman
    from elman import core

    assert set(core.__all__) <= set(elman.__all__)
    assert all(getattr(elman, name) is getattr(core, name) for name in core.__all__)
    assert run_python("import sys, elman; print('torch' in sys.modules, elman.GRU.__name__)") == "False GRU"
