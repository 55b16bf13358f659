import numpy as np
import pytest

from adapters.few_shot import adapter_class
from adapters.few_shot.base import Shots
from adapters.fusion.span import in_span


def made(*, dim: int, words: bool) -> Shots:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((14, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Shots.exclusive(
        rows[:12], np.arange(12) % 2, text_weights=rows[12:] if words else None, temperature=10.0
    )


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("name", ["anchored-probe", "linear-probe"])
def test_the_same_map_is_learned_in_the_span(name: str, words: bool) -> None:
    shots = made(dim=60, words=words)
    turned, basis = in_span(shots)
    assert turned.dim <= 14
    whole = adapter_class(name).fit(shots).arrays["weights"]
    spanned = adapter_class(name).fit(turned).arrays["weights"] @ basis
    np.testing.assert_allclose(spanned, whole, atol=2e-2 * float(np.abs(whole).max()))


def test_many_shots_stay_as_they_are() -> None:
    shots = made(dim=8, words=True)
    assert in_span(shots)[0] is shots
