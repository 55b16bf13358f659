"""A headless Chromium of the system, and the real server for it to visit."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 120.0


def find_browser() -> str:
    """The browser's path; without one the test is skipped, or fails where one is required."""
    given = os.environ.get("SCENEPRINT_BROWSER")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None and Path(found).exists():
        return found
    message = (
        f"no browser: SCENEPRINT_BROWSER is {given!r} and none of {', '.join(NAMES)} is on the "
        "PATH; install chromium to run the browser journeys"
    )
    if os.environ.get("SCENEPRINT_REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


def command(*arguments: str) -> list[str]:
    """The command line as the console script runs it."""
    return [sys.executable, "-c", "from app.cli import main; main()", *arguments]


@contextmanager
def running_server(library: Path) -> Iterator[str]:
    """Run `sceneprint serve` on a free port; yields its address once it is ready."""
    arguments = command("serve", "--library", str(library), "--port", "0")
    log = (library / "serve.log").open("wb")
    with (
        log,
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield _address(process, library / "serve.log")
        finally:
            process.terminate()
            process.wait(30)


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    address = ""
    while True:
        try:
            line = lines.get(timeout=START_SECONDS)
        except Empty:
            pytest.fail(f"the server did not get ready; its log ends: {log.read_text()[-2000:]}")
        if match := re.search(r"https?://\S+", line):
            address = match[0]
        if line.strip() == "ready":
            return address
