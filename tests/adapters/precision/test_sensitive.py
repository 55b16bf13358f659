from adapters.precision.sensitive import Nearness, choose_kept

LAYERS = ("a", "b", "c", "d", "e")


def nearness(losses: dict[str, float], kept: tuple[str, ...]) -> Nearness:
    mean = 1 - sum(loss for name, loss in losses.items() if name not in kept)
    return Nearness(mean=mean, worst=mean)


def test_nothing_is_kept_where_it_is_near_enough() -> None:
    kept, best = choose_kept(LAYERS, lambda k: nearness({}, k), wanted=0.9, most=5)
    assert kept == ()
    assert best.mean == 1


def test_the_end_that_costs_more_is_kept_first() -> None:
    losses = {"a": 0.2, "e": 0.05, "b": 0.1}
    for wanted, expected in [(0.8, ("a",)), (0.93, ("a", "b")), (0.99, ("a", "b", "e"))]:
        kept, _ = choose_kept(LAYERS, lambda k: nearness(losses, k), wanted=wanted, most=5)
        assert kept == expected


def test_no_more_are_kept_than_allowed() -> None:
    losses = dict.fromkeys(LAYERS, 0.1)
    kept, best = choose_kept(LAYERS, lambda k: nearness(losses, k), wanted=1.0, most=2)
    assert len(kept) == 2
    assert best.mean < 1
    assert len(choose_kept(LAYERS, lambda k: nearness(losses, k), wanted=2.0, most=99)[0]) == 5
