"""The program run in the test's own process; the fixture `shell` gives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import run

__all__ = ["Shell", "fits"]


class Shell:
    """Runs the program in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        got = run([str(argument) for argument in arguments])
        self.out, self.err = self.capsys.readouterr()
        assert got == code, f"{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        return self.out

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


def fits(text: str) -> bool:
    """Whether no line is wider than the terminal."""
    return all(len(line.rstrip()) <= 80 for line in text.splitlines())
