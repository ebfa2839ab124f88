"""Drawing tokens: which may be drawn, and how often each is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from elman import InputError
from elman.model.sampling import Sampling

CHANCES = torch.tensor([0.5, 0.3, 0.15, 0.05])


def _drawn(sampling: Sampling, chances: Tensor = CHANCES, rows: int = 4000) -> Tensor:
    """How often each token is drawn."""
    found = sampling.draw(chances.log().repeat(rows, 1), torch.Generator().manual_seed(0))
    return torch.bincount(found, minlength=len(chances)) / rows


def test_the_models_own_distribution_is_the_usual_one() -> None:
    assert torch.allclose(_drawn(Sampling()), CHANCES, atol=0.03)


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        (Sampling(top_k=2), [0.625, 0.375, 0, 0]),
        (Sampling(top_p=0.5), [1, 0, 0, 0]),
        (Sampling(top_p=0.51), [0.625, 0.375, 0, 0]),
        (Sampling(top_p=0.8), [0.625, 0.375, 0, 0]),
        (Sampling(top_p=0.81), [0.5263, 0.3158, 0.1579, 0]),
        (Sampling(top_p=0.001), [1, 0, 0, 0]),
        (Sampling(top_p=1e-46), [1, 0, 0, 0]),
        # First the k, then the share of what they leave.
        (Sampling(top_k=2, top_p=0.6), [1, 0, 0, 0]),
        (Sampling(0.5), [0.6849, 0.2466, 0.0616, 0.0068]),
        (Sampling(0), [1, 0, 0, 0]),
        (Sampling(3.0, top_k=99), [0.3455, 0.2914, 0.2313, 0.1604]),
    ],
)
def test_what_is_left_keeps_its_proportions(sampling: Sampling, left: list[float]) -> None:
    wanted = torch.tensor(left, dtype=torch.float32)
    # 1/3 powers and sums are rounded to four digits here.
    assert torch.allclose(_drawn(sampling), wanted, atol=0.03)
    assert (_drawn(sampling)[wanted == 0] == 0).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.floats(0.01, 1.0))
def test_the_nucleus_is_the_smallest_set_that_reaches_its_share(counts: list[int], share: float) -> None:
    chances = torch.tensor(counts, dtype=torch.float64) / sum(counts)
    drawn = {k for k, often in enumerate(_drawn(Sampling(top_p=share), chances, 2000).tolist()) if often > 0}
    for k in drawn:
        more = float(chances[chances > chances[k]].sum())
        assert more < share + 1e-9


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"temperature": -0.5},
            r"temperature: expected 0 \(the likeliest\) or a number above, up to 1,000,000, got -0\.5",
        ),
        ({"temperature": float("nan")}, "temperature: .*got nan"),
        ({"temperature": float("inf")}, "temperature: .*got inf"),
        ({"top_k": -1}, "top_k: expected a whole number from 0.*got -1"),
        ({"top_p": 0.0}, r"top_p: expected a share above 0.*got 0\.0"),
        ({"top_p": 1.5}, r"top_p: .*got 1\.5"),
        ({"top_p": float("nan")}, "top_p: .*got nan"),
    ],
)
def test_what_cannot_be_is_refused(how: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling(**how)  # type: ignore[arg-type]


def test_of_equal_scores_no_more_than_k_are_drawn() -> None:
    drawn = Sampling(top_k=2).draw(torch.zeros(500, 5), torch.Generator().manual_seed(0))
    assert all(len(set(row)) <= 2 for row in drawn.view(1, -1).tolist())
