"""What is learnt of a number is what its name says: held against scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elman.model.kinds.likelihood import (
    LEVELS,
    LIKELIHOODS,
    NegativeBinomial,
    Quantiles,
    count_quantile,
    likelihood,
    student_quantile,
)

TAILS = torch.tensor([0.001, 0.05, 0.1, 0.5, 0.9, 0.95, 0.999], dtype=torch.float64)
ONE = torch.ones((), dtype=torch.float64)


def _placed(name: str, *raw: float, last: float = 0.0, spread: float = 1.0) -> torch.Tensor:
    given = torch.tensor(raw, dtype=torch.float64)
    return likelihood(name, [0.0], [1.0]).double().placed(given[None], ONE[None] * last, ONE[None] * spread)[0]


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-5, 5), st.floats(0.1, 10))
def test_the_gaussian_is_the_normal_distribution(m: float, s: float, y: float, spread: float) -> None:
    placed = _placed("gaussian", m, s, last=1.5, spread=spread)
    middle, wide = placed.tolist()
    assert middle == pytest.approx(1.5 + m * spread)
    own, known = likelihood("gaussian", [0.0], [1.0]).double(), stats.norm(middle, wide)
    assert float(own.loss(placed, ONE * y)) + np.log(2 * np.pi) / 2 == pytest.approx(-known.logpdf(y))
    assert own.at(placed, TAILS).numpy() == pytest.approx(known.ppf(TAILS.numpy()))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-5, 20), st.floats(-5, 5))
def test_students_t_is_students_t(m: float, s: float, d: float, y: float) -> None:
    placed = _placed("student", m, s, d)
    middle, wide, nu = placed.tolist()
    own, known = likelihood("student", [0.0], [1.0]).double(), stats.t(nu, middle, wide)
    assert float(own.loss(placed, ONE * y)) == pytest.approx(-known.logpdf(y))
    # A table in 1 / nu: close, not equal.
    apart = np.abs(own.at(placed, TAILS).numpy() - known.ppf(TAILS.numpy())) / wide
    assert apart.max() < 5e-3


@given(st.floats(2.001, 1e4))
def test_quantiles_of_students_t_are_interpolated_closely(nu: float) -> None:
    found = student_quantile(TAILS, torch.tensor(nu, dtype=torch.float64)).numpy()
    assert found == pytest.approx(stats.t.ppf(TAILS.numpy(), nu), rel=2e-4, abs=1e-9)


@given(st.floats(0.01, 199), st.floats(1e-3, 5))
def test_counts_up_to_two_hundred_have_the_quantiles_of_the_definition(mu: float, alpha: float) -> None:
    found = count_quantile(TAILS, ONE * mu, ONE * alpha).numpy()
    r = 1 / alpha
    known = stats.nbinom(r, r / (r + mu))
    assert (np.abs(found - known.ppf(TAILS.numpy())) <= (known.cdf(found) - TAILS.numpy() < 1e-9)).all()


@given(st.floats(200.01, 1e4), st.floats(1e-3, 5))
def test_greater_counts_have_nearly_the_quantiles_of_the_definition(mu: float, alpha: float) -> None:
    r = 1 / alpha
    known = stats.nbinom(r, r / (r + mu))
    found = count_quantile(TAILS, ONE * mu, ONE * alpha).numpy()
    assert (known.cdf(found) > TAILS.numpy() - 0.012).all()
    assert (known.cdf(found - 1) < TAILS.numpy() + 0.012).all()


@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 60))
def test_counts_are_negative_binomial_in_the_datas_own_units(m: float, a: float, k: int) -> None:
    own = NegativeBinomial([20.0], [10.0]).double()
    placed = own.placed(torch.tensor([[m, a]], dtype=torch.float64), ONE[None] * 0.5, ONE[None] * 2.0)
    mu, alpha = placed[0].tolist()
    assert mu == pytest.approx(np.log1p(np.exp((0.5 + 2 * m) * 10 + 20)) + 1e-3)
    r = 1 / alpha
    loss = float(own.loss(placed, (ONE[None] * k - 20) / 10))
    assert loss == pytest.approx(-stats.nbinom.logpmf(k, r, r / (r + mu)), rel=1e-6, abs=1e-8)
    counts = own.at(placed, TAILS)[0].numpy() * 10 + 20
    assert counts == pytest.approx(counts.round(), abs=1e-8)
    assert (counts > -1e-8).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_quantiles_never_cross(name: str) -> None:
    source = torch.Generator().manual_seed(0)
    own = likelihood(name, [0.0, 50.0], [1.0, 7.0])
    raw = 5 * torch.randn(40, 3, 2, own.size, generator=source)
    placed = own.placed(raw, torch.randn(40, 1, 2, generator=source), torch.rand(40, 1, 2, generator=source) + 0.1)
    found = own.at(placed, torch.tensor(LEVELS))
    assert found.shape == (40, 3, 2, len(LEVELS))
    assert (found.diff(dim=-1) >= 0).all()


def test_the_pinball_loss_is_that_of_the_definition() -> None:
    own = Quantiles()
    said, target = torch.arange(7.0), torch.tensor(2.5)
    each = [max(q * (2.5 - k), (q - 1) * (2.5 - k)) for k, q in enumerate(LEVELS)]
    assert float(own.loss(said, target)) == pytest.approx(np.mean(each))
