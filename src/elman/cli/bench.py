"""elman bench"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from elman.bench.measure import Machine, Result

__all__ = ["register"]

_HELP = """
Time elman's layers against torch's on this machine, and against ONNX Runtime and JAX where they are installed.

First all results are compared: no ratio is shown for what is not equal. Then all contenders run in turns, so that
a busy machine slows all of them; the ratio is the median of the rounds' ratios, above 1 where elman is faster.

\b
  elman bench --quick                         the headline, in under a minute
  elman bench                                 everything, about ten minutes
  elman bench --jobs train,step --cells GRU   a part
  elman bench --out results                   also results/bench.jsonl and results/bench.svg

\b
Jobs: train   forward and backward of whole sequences
      infer   forward only
      ragged  training with lengths from 1 to T, against torch's PackedSequence
      step    one frame at a time with its state (a Session)
"""

JOBS = ("train", "infer", "ragged", "step")
_TITLES = {
    "train": "training, whole sequences",
    "infer": "inference, whole sequences",
    "ragged": "training, lengths from 1 to T",
    "step": "one frame at a time",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("bench", help=_HELP)(bench)


def bench(
    quick: bool = typer.Option(False, "--quick", help="Fewer sizes and rounds; under a minute."),
    jobs: str = typer.Option(",".join(JOBS), help="Which, with commas."),
    cells: str = typer.Option("RNN,GRU,LSTM", help="Which, with commas."),
    rounds: int = typer.Option(0, help="Turns of every contender; 0: 7 with --quick, else 15.", show_default=False),
    threads: int = typer.Option(0, help="Threads of every contender; 0: as torch has them.", show_default=False),
    out: str = typer.Option("", help="Folder for bench.jsonl (lines are added) and bench.svg."),
) -> None:
    """Time, print, and write where asked."""
    import torch

    from elman.bench.cases import CELLS, cases
    from elman.bench.measure import machine, measure
    from elman.cli import show
    from elman.core.engines.operators import BUILT
    from elman.core.errors import EngineError, InputError

    if not BUILT:
        raise EngineError("elman bench times the native core, which is not there: python -m elman.native_info says why")
    chosen, kinds = _listed("--jobs", jobs, JOBS), _listed("--cells", cells, CELLS)
    if rounds < 0 or threads < 0:
        raise InputError(f"--rounds, --threads: expected at least 1, got {rounds} and {threads}; leave them out")
    if out and Path(out).exists() and not Path(out).is_dir():
        raise InputError(f"--out {out}: a file is there; name a folder")
    if threads:
        torch.set_num_threads(threads)
    threads = torch.get_num_threads()
    place = machine(threads)
    show.out.print(_about(place))
    results: list[Result] = []
    for job in chosen:
        show.out.print(f"\n{_TITLES[job]}")
        show.out.print(_head(job))
        for case in cases((job,), kinds, quick):
            with show.out.status(str(case)) as status:
                many = rounds or (7 if quick else 15)
                results.append(measure(case, many, threads, status.update))
            show.out.print(_row(results[-1], place))
        show.out.print(_closing([result for result in results if result.case.job == job]))
    noisy = [result.others for result in results if result.noisy and result.others is not None]
    if noisy:
        show.out.print(
            show.wrap(
                f"* {len(noisy)} of {len(results)} lines were measured while others kept up to {max(noisy):.1f} cores "
                "busy: all contenders ran slower, and the ratios are less sure; run it again when the machine is idle"
            )
        )
    elif any(result.others is None for result in results):
        show.out.print("Whether the machine was busy otherwise is not known on this system.")
    if out:
        _write(Path(out), results, place)


def _listed(option: str, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    from elman.core.errors import InputError, nearest

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    lowered = {name.lower(): name for name in known}
    for name in names:
        if name.lower() not in lowered:
            raise InputError(f"{option}: unknown '{name}'.{nearest(name, known)} Known: {', '.join(known)}")
    if not names:
        raise InputError(f"{option}: expected some of {', '.join(known)}, got nothing")
    return tuple(lowered[name.lower()] for name in names)


def _about(place: Machine) -> str:
    about = place.about
    lines = [f"{about['processor']}, {about['threads']} threads, kernels {about['kernels']}, torch {about['torch']}"]
    if place.arithmetic:
        reads = ", ".join(f"{rate:.0f}" for rate in place.reads)
        lines.append(f"multiply-adds: {place.arithmetic:.0f} GF/s; reads from 16 kB, 256 kB, 8 MB: {reads} GB/s")
    return "\n".join(lines)


def _head(job: str) -> str:
    from elman.bench.peers import installed

    return f"{'':20} {'elman':>10}" + "".join(f" {name:>17}" for name in installed()) + _peak(job, "peak")


def _peak(job: str, text: str) -> str:
    return "" if job == "step" else f"  {text:>4}"


def _row(result: Result, place: Machine) -> str:
    from elman.bench.peers import installed

    case = result.case
    name = f"{case.cell:4} B{case.batch} T{case.steps} H{case.size}"
    cells = [f"{_time(result.median['elman']):>10}"]
    for other in installed():
        there = other in result.median
        cells.append(f"{_time(result.median[other]):>9} x{result.ratio[other]:6.2f}" if there else f"{'-':>17}")
    share = f"{100 * result.rate / place.arithmetic:.0f} %" if place.arithmetic else "-"
    return f"{name:20} {' '.join(cells)}{_peak(case.job, share)}{' *' if result.noisy else ''}"


def _time(seconds: float) -> str:
    return f"{1e6 * seconds:.2f} us" if seconds < 1e-4 else f"{1e3 * seconds:.2f} ms"


def _closing(results: list[Result]) -> str:
    lines = []
    for cell in dict.fromkeys(result.case.cell for result in results):
        mine = [result for result in results if result.case.cell == cell]
        mean = math.exp(sum(math.log(result.ratio["torch"]) for result in mine) / len(mine))
        best = min(min(result.ratio.values()) for result in mine)
        lines.append(
            f"{cell}: {mean:.2f} times as fast as torch (geometric mean); against the best other, {best:.2f} at least"
        )
    return "\n".join(lines)


def _write(folder: Path, results: list[Result], place: Machine) -> None:
    from elman.cli import show
    from elman.pictures import errors_by

    folder.mkdir(parents=True, exist_ok=True)
    ceilings: dict[str, Any] = {
        "peak_gflops": round(place.arithmetic, 1),
        "read_gbs": [round(r, 1) for r in place.reads],
    }
    with (folder / "bench.jsonl").open("a", encoding="utf-8") as file:
        for result in results:
            file.write(json.dumps({**result.line(), **ceilings, **place.about}) + "\n")
    names = [str(result.case) for result in results]
    picture = errors_by(
        names,
        [result.ratio["torch"] for result in results],
        title="torch's time over elman's",
        subtitle=f"{place.about['processor']}, {place.about['threads']} threads, torch {place.about['torch']}",
        y_label="times as fast",
    )
    (folder / "bench.svg").write_text(picture, encoding="utf-8")
    show.out.print(f"written: {folder / 'bench.jsonl'}, {folder / 'bench.svg'}")
