import subprocess
import sys
from pathlib import Path

import pytest

from index import BACKENDS, create_index, load_index
from index.base import VectorIndex


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_name_makes_its_backend(name: str, tmp_path: Path) -> None:
    index = create_index(name, 4)
    assert isinstance(index, VectorIndex)
    assert index.backend == name
    index.save(tmp_path / "index", generation="g")
    assert type(load_index(name, tmp_path / "index", generation="g")) is type(index)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="'flann', expected one of exact, faiss"):
        create_index("flann", 4)


def test_faiss_is_imported_when_it_is_asked_for() -> None:
    code = "import sys, index; index.create_index('exact', 4); sys.exit('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_width_is_checked() -> None:
    with pytest.raises(ValueError, match="dim = 0"):
        create_index("exact", 0)
