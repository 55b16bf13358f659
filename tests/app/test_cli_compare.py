"""`sceneprint compare`: a table, JSON and a page of both answers."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from retrieval import encoders
from tests import films
from tests.app.served import picture
from tests.app.shell import Shell

HOSTILE = "<b>&amp;.mp4"


@pytest.fixture
def own(tmp_path: Path, made_film: films.Film, colour_film: films.Film, shell: Shell) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy2(colour_film.path, folder / HOSTILE)
    shutil.copy2(made_film.path, folder / "made.mp4")
    library = tmp_path / "library"
    shell("ingest", folder, "-l", library, "--encoder", "fake:colour/v1")
    shell("reindex", "--encoder", "fake:other/v1", "--no-switch", "-l", library)
    return library


def test_table_json_and_page(own: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture())
    queries = tmp_path / "queries.txt"
    queries.write_text("# what we look for\nred <script>\n\nred.png\n", encoding="utf-8")
    page = tmp_path / "out" / "compare.html"
    both = ["compare", "fake:colour/v1", "fake:other/v1", "-l", str(own)]
    text = shell(*both, "--queries", queries, "--html", page, "-k", "3")
    assert "given words" in text
    assert "given pictures" in text
    assert "k = 3, 7 shots" in text
    html = page.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in html
    assert "<script" not in html
    assert "red &lt;script&gt;" in html
    assert "&lt;b&gt;&amp;amp;.mp4" in html
    assert not re.search(r"(?:src|href)=|@import|https?://", html)
    found = shell.json(*both)
    assert {one["kind"] for one in found["queries"]} == {"plain", "shot"}
    assert found["rows"][-1]["overlap"] == 1.0  # the fakes differ by name alone
    assert len(found["queries"][0]["old"]) == 7


def test_settings_say_what_runs_it(
    own: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    load_fake = encoders.load_encoder

    def load(name: str, **options: Any) -> encoders.PictureTextEncoder:
        asked.append(options)
        return load_fake(name, **options)

    monkeypatch.setattr("retrieval.encoders.load_encoder", load)
    monkeypatch.setenv("SCENEPRINT_RUNTIME", "onnxruntime")
    monkeypatch.setenv("SCENEPRINT_DEVICE", "auto")
    shell("compare", "fake:colour/v1", "fake:other/v1", "-l", own)
    assert asked == [{"runtime": "onnxruntime", "device": "auto"}] * 2


def test_mistakes_are_explained(own: Path, shell: Shell, tmp_path: Path) -> None:
    def refused(*arguments: str | Path) -> str:
        shell("compare", "fake:colour/v1", *arguments, "-l", own, code=2)
        return " ".join(shell.err.split())

    command = f"`sceneprint reindex --encoder fake:third/v1 --no-switch --library {own}`"
    assert command in refused("fake:third/v1")
    assert "two encoders" in refused("fake:colour/v1")
    queries = tmp_path / "queries.txt"
    assert "give a file of queries" in refused("fake:other/v1", "--queries", queries)
    for content, message in (
        (b"# nothing\n", "got 0 queries"),
        (b"none.jpg\n", "line 1: there is no image file"),
        (b"x" * 2000, "expected up to 1000"),
        (b"\xff\xfe", "no UTF-8 text"),
        (b"x\n" * 600_000, "1,000,000 bytes"),
    ):
        queries.write_bytes(content)
        assert message in refused("fake:other/v1", "--queries", queries)
