"""A small real series that ships with the package.

``co2.csv``: weekly means of atmospheric CO2 at Mauna Loa, Hawaii, in parts per million by volume, 29 March 1958
to 29 December 2001, 2,284 weeks, as the statsmodels package carries them (public domain; C. D. Keeling and
T. P. Whorf 2004, "Atmospheric CO2 concentrations derived from flask air samples at sites in the SIO network",
in Trends, Carbon Dioxide Information Analysis Center, Oak Ridge National Laboratory). 59 weeks without a
measurement were filled in along a straight line between their neighbours.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["CO2"]

CO2 = Path(__file__).parent / "co2.csv"
"""The series' file."""
