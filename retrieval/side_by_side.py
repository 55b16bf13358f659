"""Several items in work at once, a bounded number, each yielded as soon as it is done."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

__all__ = ["side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int
) -> Generator[tuple[Item, Future[Result]]]:
    """Work on items on threads, in order, at most `at_once` of them in work or waiting to be taken.

    The next item is asked for when a result was taken, so `items` may stop the work by raising.
    Closing the generator waits for what is in work; tell that to stop by other means.

    Yields:
        Items with their results, those that are done first, first.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(at_once, thread_name_prefix="sceneprint-file") as executor:
        running: dict[Future[Result], Item] = {}
        while True:
            for item in islice(waiting, at_once - len(running)):
                running[executor.submit(work, item)] = item
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future
