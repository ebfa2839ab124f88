"""Known jobs on public data, one file each: where the data comes from, what is asked, with which settings.

``elman recipe list`` shows them; ``elman recipe run NAME`` runs one, by the very command that it prints.
"""

from __future__ import annotations

from importlib import import_module

from elman.core.errors import InputError, nearest
from elman.recipes.recipe import Recipe

__all__ = ["NAMES", "Recipe", "find"]

NAMES = (
    "sst2",
    "ud_english_ewt",
    "wnut17",
    "tiny_shakespeare",
    "names_nationality",
    "nationality_of_names",
    "multi30k_de_en",
    "multi30k_en_de",
    "etth1",
    "etth2",
    "m4_weekly",
    "vic_electricity",
    "exchange_rate",
)
"""All recipes, in the order of the list."""


def find(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if name not in NAMES:
        raise InputError(f"recipe {name!r}: there is none.{nearest(name, NAMES)} There are: {', '.join(NAMES)}")
    found: Recipe = import_module(f"elman.recipes.{name}").RECIPE
    return found
