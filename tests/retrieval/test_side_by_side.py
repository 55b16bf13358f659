import threading
from collections.abc import Iterator

import pytest

from retrieval.side_by_side import side_by_side


def test_results_come_as_they_are_done_never_more_than_asked_at_once() -> None:
    go_on, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if item == 0:
            assert go_on.wait(20)
        with lock:
            running -= 1
        return item * 10

    order = []
    for item, future in side_by_side(work, range(6), at_once=2):
        order.append((item, future.result()))
        if len(order) == 5:
            go_on.set()
    assert order == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (0, 0)]
    assert most == 2


def test_one_at_a_time_keeps_the_order() -> None:
    results = side_by_side(str, range(4), at_once=1)
    assert [(item, future.result()) for item, future in results] == [(n, str(n)) for n in range(4)]


def test_an_error_is_of_its_item() -> None:
    found = {item: future.exception() for item, future in side_by_side(int, ["1", "x"], at_once=2)}
    assert found["1"] is None
    assert isinstance(found["x"], ValueError)


def test_items_that_raise_end_it_after_what_is_in_work() -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        raise KeyError("stop")

    with pytest.raises(KeyError):
        list(side_by_side(done.append, items(), at_once=1))
    assert done == [1]
