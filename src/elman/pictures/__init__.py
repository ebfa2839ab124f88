"""Pictures made of text: SVG charts and charts for a terminal.  Knows numbers, not models."""

from elman.pictures.bars import errors_by
from elman.pictures.dots import scores_by_seed
from elman.pictures.heat import Look, attention
from elman.pictures.lines import forecast, learning_curves
from elman.pictures.matrix import confusion
from elman.pictures.reliability import reliability
from elman.pictures.sides import Told, side_by_side
from elman.pictures.telling import Telling, telling
from elman.pictures.terminal import bar, chart, sparkline
from elman.pictures.tokens import Read, Word, surprise, tagged
from elman.pictures.trials import trials
from elman.pictures.unfold import unfolded

__all__ = [
    "Look",
    "Read",
    "Telling",
    "Told",
    "Word",
    "attention",
    "bar",
    "chart",
    "confusion",
    "errors_by",
    "forecast",
    "learning_curves",
    "reliability",
    "scores_by_seed",
    "side_by_side",
    "sparkline",
    "surprise",
    "tagged",
    "telling",
    "trials",
    "unfolded",
]
