"""elman show"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from elman.cli import show
from elman.core.cells.linear import LinearCell
from elman.core.errors import InputError
from elman.core.timescales import in_words, timescales

__all__ = ["register"]

_HELP = """
Tell what a run is and how good it is: scores beside baselines, where it goes wrong, versions, data, files.

\b
  elman show runs/reviews-1

Without a RUN it lists those under runs/.
"""


def register(app: typer.Typer) -> None:
    app.command("show", help=_HELP)(show_run)


def show_run(run: str | None = typer.Argument(None, help="A run's folder.")) -> None:
    from elman.record import read_record
    from elman.run import load

    if run is None:
        _list()
        return
    found = load(run)
    record = read_record(found.path)
    _network(found)
    if record is None:
        show.out.print("It has no report.json, so its scores are not known; score it: elman evaluate RUN FILE")
        return
    show.out.print(show.wrap(_history(found, record)))
    show.out.print()
    part = {"test": "test", "valid": "validation"}[record["scored"]["on"]]
    show.score_lines(found, f"{found.scores.count if found.scores else 0:,} scored, of the {part} part")
    if record.get("verdict"):
        show.out.print(show.wrap(record["verdict"]))
    _lengths(record.get("by_length", {}))
    _worst(found.path)
    _origin(record)
    _files(found, _settings(found.path))


def _settings(path: Path) -> dict[str, Any]:
    """What trained it, as far as that can still be read."""
    from elman.training.place import SETTINGS, read_settings
    from elman.training.settings import job_from

    try:
        return job_from(read_settings(path / SETTINGS, SETTINGS)).model_dump(exclude_defaults=True)
    except InputError:
        return {}


def _list() -> None:
    """The runs under runs/, or how to make one."""
    from elman.record import read_record
    from elman.training.measures import digits
    from elman.training.place import SETTINGS, study_of

    folders = sorted(path.parent for path in Path("runs").glob(f"*/{SETTINGS}"))
    studies = sorted(path.parent for path in Path("runs").glob("*/study.toml"))
    if not folders and not studies:
        show.out.print("No runs under runs/ here; name a run's folder, or make one:")
        show.out.print("  elman train reviews.csv --from text:review --to label:sentiment")
        return
    for path in folders:
        record = read_record(path)
        if record is None:
            show.out.print(f"{path}  broken off; go on: {show.command('elman', 'train', '--resume', path)}")
            continue
        score = next((f"{name} {digits(name, value)}" for name, value in record["scores"].items()), "")
        job = record.get("settings", {})
        show.out.print(f"{path}  {record.get('date', '')}  {job.get('source')} -> {job.get('target')}  {score}")
    for path in studies:
        verb = study_of(path)
        done = (path / f"{verb}.json").is_file()
        what = f"elman {verb}" if done else f"broken off; go on: {show.command('elman', verb, '--resume', path)}"
        show.out.print(f"{path}  {what}")


def _network(found: Any) -> None:
    config = found.model.config
    net, weights = config.net, sum(weight.numel() for weight in found.model.parameters())
    reads = ", ".join(config.input.columns[:8]) + (", ..." if len(config.input.columns) > 8 else "")
    ways = ", both ways" if net.bidirectional else ""
    ways += " beside convolution" if net.front else ""
    show.out.print(f"{found.path}: {config.source} -> {config.target}")
    show.out.print(show.wrap(f"reads {reads}; {net.layers} x {net.cell} {net.hidden}{ways}; {weights:,} weights"))
    if any(isinstance(part, LinearCell) for part in found.model.modules()):
        # Zoneout keeps by chance, so there is no line of it.
        with suppress(InputError):
            show.out.print(show.wrap(in_words(timescales(found.model))))


def _history(found: Any, record: dict[str, Any]) -> str:
    history = found.history
    ended = f"; {history.stopped}" if history.stopped else ""
    plan = "; ".join(dict.fromkeys(f"{one['engine']}: {one['reason']}" for one in record.get("plan", [])))
    kept = "the last was kept" if "last" in record.get("chosen_by", {}) else f"the best was {record['best_epoch']},"
    epochs = "1 epoch" if record["epochs"] == 1 else f"{record['epochs']} epochs, {kept}"
    return (
        f"trained {record.get('date', '')}: {epochs} in {record['seconds']:.0f} s{ended}"
        f"{'; engine ' + plan if plan else ''}"
    )


def _lengths(found: dict[str, Any]) -> None:
    ranges = found.get("ranges", [])
    if not ranges:
        return
    show.out.print(f"\nby length: {found['error']}")
    for one in ranges:
        span = f"{one['first']} to {one['last']}" if one["first"] < one["last"] else f"{one['first']}"
        show.out.print(f"  {span:>13} {found.get('of', 'steps')}  {one['error']:.4f}  ({one['count']:,})")


def _worst(path: Path) -> None:
    """The first few of the worst examples."""
    import json

    from elman.training.place import WORST

    try:
        if not (path / WORST).is_file():
            return
        lines = [json.loads(line) for line in (path / WORST).read_text(encoding="utf-8").splitlines()[:3]]
    except (OSError, ValueError, RecursionError):
        return
    lines = [one for one in lines if isinstance(one, dict) and isinstance(one.get("loss"), float)]
    if lines:
        show.out.print(f"\nhighest losses ({path / WORST} has more):")
    for one in lines:
        text = f'  "{one["text"]}"' if one.get("text") else ""
        place = "line" if "line" in one else next((name for name in ("id", "token", "step") if name in one), "line")
        came, said = (_short(one.get(name)) for name in ("truth", "answer"))
        what = f"{place} {one.get(place)}: said {said}, was {came}; loss {one['loss']:.3g}{text}"
        show.out.print(show.wrap(what, "  ", "    "))


def _short(value: Any) -> str:
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _origin(record: dict[str, Any]) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    job = record.get("settings", {})
    show.out.print()
    show.out.print(show.wrap(f"data: {job.get('file')} (sha256 {str(record.get('data_sha256'))[:16]}...)"))
    show.out.print(f"made with {versions}; seed {job.get('seed')}")


def _files(found: Any, settings: dict[str, Any]) -> None:
    from elman.cli.conclude import following, kept_files

    kept_files(found.path)
    if settings:
        show.out.print("Next:")
        for words in following(found, settings["file"], settings):
            show.out.print("  " + words)
