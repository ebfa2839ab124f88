"""The options of a training as one table, which all verbs that train share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer

__all__ = ["DATA", "LESS", "LOOP", "NET", "SAVE", "SIDES", "Table", "typed", "with_options"]

Table = dict[str, tuple[Any, Any]]
"""Options by the name of the setting: the type, and typer's option, whose default is None (not given)."""


def _option(kind: type, help: str, *flags: str, metavar: str | None = None) -> tuple[Any, Any]:
    return kind | None, typer.Option(None, *flags, help=help, metavar=metavar)


SIDES: Table = {
    "source": _option(str, "What to read.", "--from", metavar="KIND"),
    "target": _option(str, "What to predict.", "--to", metavar="KIND"),
}
"""What is read and what is predicted."""

DATA: Table = {
    "id": _option(str, "Column: rows of one value form one sequence."),
    "time": _option(str, "Column: time of a row, checked to rise."),
    "split": _option(str, "Column with train/valid/test; or 0.8,0.1,0.1; or dates of valid and test."),
    "valid": _option(str, "File for validation."),
    "test": _option(str, "File for the final test."),
    "known": _option(str, "Columns known ahead of a forecast; rows with them alone may follow."),
    "static": _option(str, "Columns constant in a sequence, read beside every step."),
    "gaps": _option(str, "Missing numbers: error, input (told to the model) or interpolate (error)."),
    "lookback": _option(int, "Steps of history a forecast reads."),
}
"""What the file's columns are, and its parts."""

NET: Table = {
    "cell": _option(str, "gru, lstm, rnn, mingru, minlstm, or feedforward to compare."),
    "hidden": _option(int, "Units a layer."),
    "layers": _option(int, "Recurrent layers."),
    "bidirectional": _option(bool, "Read both ways, or only forwards.", "--bidirectional/--causal"),
    "embedding": _option(int, "Width of word or character vectors."),
    "readout": _option(str, "last, mean, max or attention."),
    "characters": _option(bool, "Read words with their spelling (for tags).", "--characters/--no-characters"),
    "crf": _option(bool, "Tags that know their neighbours (where they are B-X I-X O).", "--crf/--no-crf"),
    "attention": _option(str, "Of a text that is written: dot or additive (dot)."),
    "input_feeding": _option(bool, "Feed what attention found to the next step.", "--input-feeding/--no-input-feeding"),
    "tied": _option(bool, "Score tokens by their own vectors.", "--tied/--no-tied"),
    "vocabulary": _option(int, "Words or pieces of a text at the most."),
}
"""The network's shape."""

LOOP: Table = {
    "epochs": _option(int, "Passes over the data at the most."),
    "budget": _option(str, "Time for training at the most: 90s, 2m, 1h."),
    "batch": _option(int, "Rows a batch."),
    "batch_tokens": _option(int, "Instead: words, characters or rows of series a batch."),
    "truncate": _option(
        str, "Long sequences: change weights every K1 steps, go K2 back; whole; auto.", metavar="K1[,K2]"
    ),
    "memory": _option(str, "keep all for the backward pass, or checkpoint: hold less, compute again (keep)."),
    "accumulate": _option(int, "Batches a step, their mean gradient (1)."),
    "lr": _option(float, "Learning rate of AdamW."),
    "find_lr": _option(bool, "Find the rate first, in 100 steps, with a picture.", "--find-lr"),
    "clip": _option(float, "Largest gradient, 0 for none."),
    "clip_by": _option(str, "norm of all (1), value (0.5), or ratio to a unit's weights (0.01)."),
    "nonfinite": _option(str, "A step that is not finite: stop, or skip and count (stop)."),
    "patience": _option(int, "Epochs without gain before stopping."),
    "class_weights": _option(str, "balanced, or CLASS=WEIGHT,...: what each counts in training."),
    "metric": _option(str, "Score to show first: accuracy, macro_f1, micro_f1, exact, mae, rmse ..."),
    "choose_by": _option(str, "What chooses the epoch: loss, or a metric (loss; of names in texts entity_f1)."),
    "score_on": _option(str, "Part of the final scores: test, or valid to leave the test unseen (test)."),
    "seed": _option(int, "Of split, weights, order and masks (0)."),
    "split_seed": _option(int, "Of a split drawn at random, that alone (as --seed)."),
    "device": _option(str, "cpu or cuda (cpu)."),
    "threads": _option(int, "Threads of torch (1 where batches are small)."),
}
"""The loop over the data."""

LESS: Table = {
    "dropout": _option(float, "Between layers, before the answer, on word vectors."),
    "input_dropout": _option(float, "On what is read, the same all along."),
    "word_dropout": _option(float, "Of whole words, wherever they stand."),
    "recurrent_dropout": _option(float, "Between recurrent units, the same all along (slow)."),
    "weight_drop": _option(float, "Of recurrent weights."),
    "zoneout": _option(float, "Units that keep their value for a step (slow)."),
    "scheduled_sampling": _option(float, "Share of its own words a decoder is told in training (0)."),
    "label_smoothing": _option(float, "Share of the truth spread over all classes."),
    "weight_decay": _option(float, "Decoupled decay of matrices (0.01)."),
    "embedding_decay": _option(float, "That of word vectors (as --weight-decay)."),
    "bias_decay": _option(float, "That of biases and norms (0)."),
    "l2": _option(float, "Weight of the sum of squares in the loss (0)."),
    "l1": _option(float, "Weight of the sum of magnitudes (0)."),
    "ar": _option(float, "Weight of the outputs' squares (0)."),
    "tar": _option(float, "Weight of their changes from step to step (0)."),
    "average": _option(str, "Use averaged weights: ema, or nt-asgd once validation stalls."),
    "ema_decay": _option(float, "Of ema (about an epoch's)."),
}
"""What keeps a network from learning by heart."""

SAVE: Table = {
    "save_every": _option(str, "How often to save what to go on from: 500 (steps), 30s, 5m, never (30s)."),
    "tensorboard": _option(bool, "Leave event files for TensorBoard too.", "--tensorboard"),
}
"""How often a training is saved, and what it leaves beside."""

_PANELS = (
    (DATA, "Data"),
    (NET, "Network"),
    (LOOP, "Training"),
    (LESS, "Regularisation"),
    (SAVE, "Saving, and going on"),
)
for _table, _panel in _PANELS:
    for _, _info in _table.values():
        _info.rich_help_panel = _panel

Command = Callable[..., None]


def typed(settings: dict[str, Any], *tables: Table) -> list[str]:
    """Settings as words of a command line: the file, and those that tables offer; those that are None are left out."""
    words = str(settings["file"]).split("+")
    for name, (_, info) in ((name, option) for table in tables for name, option in table.items()):
        value = settings.get(name)
        flag = (info.param_decls or (f"--{name.replace('_', '-')}",))[0]
        if isinstance(value, bool):
            yes, _, no = flag.partition("/")
            words += [one for one in (yes if value else no,) if one]
        elif value is not None:
            words += [flag, str(value)]
    return words


def with_options(*tables: Table, leave: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command the options of tables, in place of its parameter ``given``.

    typer reads a command's options from its signature, so the signature is put together here. ``given`` holds those
    options that were given, by the name of the setting.

    Args:
        tables: of options.
        leave: names in them that the command has no use for.
    """
    offered = {name: option for table in tables for name, option in table.items() if name not in leave}

    def dress(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters

        def call(*_: Any, **values: Any) -> None:
            given = {name: value for name in offered if (value := values.pop(name)) is not None}
            command(given=given, **values)

        made: list[inspect.Parameter] = []
        for name, parameter in own.items():
            if name != "given":
                made.append(parameter)
                continue
            for option, (kind, info) in offered.items():
                made.append(inspect.Parameter(option, parameter.kind, default=info, annotation=kind))
        call.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in made}
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return dress
