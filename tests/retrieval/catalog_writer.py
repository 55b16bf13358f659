"""A process that adds and removes videos until it is killed (see test_catalog_kill.py)."""

import sys
from pathlib import Path

from retrieval.catalog import Catalog
from tests.retrieval.catalog_records import make_record


def main() -> None:
    library, start = Path(sys.argv[1]), int(sys.argv[2])
    with Catalog.open(library, create=True) as catalog:
        for number in range(start, start + 100_000):
            name = f"film{number % 30}"
            catalog.add_video(make_record(name, num_shots=150, lines=("some words",) * 100))
            if number % 7 == 0:
                catalog.remove_video(f"v{name}")
            print(catalog.generation(), flush=True)


if __name__ == "__main__":
    main()
