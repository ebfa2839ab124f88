"""A small model and data to handle by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from elman.data.batch import ExampleSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel
from elman.training.settings import LoopSettings


def small_model(**net: Any) -> SequenceModel:
    """A classifier of one channel into two classes."""
    torch.manual_seed(0)
    config = ModelConfig(
        source="series",
        target="label",
        input=SeriesIn(columns=["x"], mean=[0.0], scale=[1.0]),
        output=LabelOut(column="y", classes=["a", "b"]),
        net=NetConfig.model_validate({"hidden": 8, **net}),
    )
    return SequenceModel(config)


def small_data(count: int, seed: int = 0, steps: int = 5) -> ExampleSet:
    """Series, and whether their mean is positive."""
    source = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(steps, 1, generator=source) for _ in range(count)]
    return ExampleSet(inputs, torch.tensor([int(one.mean() > 0) for one in inputs]))


def loop_settings(**changes: Any) -> LoopSettings:
    return LoopSettings.model_validate({"epochs": 2, "batch": 8, "lr": 0.01, **changes})


@pytest.fixture(scope="session")
def model() -> Callable[..., SequenceModel]:
    return small_model


@pytest.fixture(scope="session")
def data() -> Callable[..., ExampleSet]:
    return small_data


@pytest.fixture(scope="session")
def settings() -> Callable[..., LoopSettings]:
    return loop_settings
