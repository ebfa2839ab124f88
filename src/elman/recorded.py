"""What may stand in a report.json: it is a file like any other, and may have been edited or damaged."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["Recorded"]


class _Detail(BaseModel):
    count: int | None = None
    how: str | None = None
    confusion: list[list[int]] | None = None
    by_step: list[float] | None = None


class _Details(BaseModel):
    scores: _Detail = _Detail()
    baselines: dict[str, _Detail] = {}


class _Scored(BaseModel):
    on: Literal["test", "valid"] = "test"
    count: int = 0


class _Ended(BaseModel):
    limit: int = 0
    stopped: str = ""
    interrupted: bool = False
    notes: list[str] = []
    ending: list[str] = []
    spent: bool = False


class _Range(BaseModel):
    first: int
    last: int
    count: int
    error: float


class _Lengths(BaseModel):
    error: str = ""
    of: str = "steps"
    ranges: list[_Range] = []


class _Planned(BaseModel):
    engine: str
    reason: str


class Recorded(BaseModel):
    """A report.json, as far as it is read again; what else stands there is left alone.

    Raises:
        pydantic.ValidationError: a field is of another type.
    """

    scores: dict[str, float]
    baselines: dict[str, dict[str, float]]
    scored: _Scored = _Scored()
    details: _Details = _Details()
    verdict: str = ""
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = Field(0.0, ge=0)
    history: _Ended = _Ended()
    by_length: _Lengths = _Lengths()
    plan: list[_Planned] = []
    notes: list[str] = []
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
    data_sha256: str = ""
    date: str = ""
