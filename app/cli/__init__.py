"""The command line: each command parses, makes one Engine call and renders.

Nothing heavy is imported here or at the top of a command's file, so that `--help` answers at
once; the commands import what they need when they run.
"""

from app.cli.main import app, main, run

__all__ = ["app", "main", "run"]
