import numpy as np

from eval.walks import COPY_SECONDS, make_query, walk


def test_a_film_is_a_chain_of_shots() -> None:
    times, vectors = walk(3, num_frames=2000, dim=256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.diff(times).tolist() == [1.0] * 1999
    steps = np.sum(vectors[1:] * vectors[:-1], axis=1)
    within = steps[steps > 0.7]
    assert 0.92 < within.mean() < 0.96
    cuts = np.count_nonzero(steps < 0.7)
    assert 2000 / 8 < cuts < 2000 / 2
    again, other = walk(3, num_frames=2000, dim=256)[1], walk(4, num_frames=2000, dim=256)[1]
    np.testing.assert_array_equal(again, vectors)
    assert abs(float((vectors @ other.T).mean())) < 0.05


def test_planted_copies_are_like_what_they_copy() -> None:
    view, planted = make_query(
        num_films=3, film_frames=600, num_frames=1200, num_copies=4, dim=256, seed=1
    )
    assert len(view) == 1200
    for copy in planted:
        _, ref = walk(copy.film, num_frames=600, dim=256)
        rows = view.between(copy.query_seconds, copy.query_seconds + COPY_SECONDS - 0.5)
        moments = copy.ref_seconds + copy.speed * (view.times[rows] - copy.query_seconds)
        alike = np.sum(view.vectors[rows] * ref[np.round(moments).astype(int)], axis=1)
        assert 0.4 < np.median(alike) < 0.95
