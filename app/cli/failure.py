"""What a person sees of an error: one line that says what to do, and an exit code."""

import sys
import traceback

from app.problems import MISSING_DEPENDENCY, UNEXPECTED, answer_for
from retrieval.errors import SceneprintError

__all__ = ["report_failure"]


def report_failure(error: Exception, *, debug: bool = False) -> int:
    """Print an error to stderr and return the exit code; the traceback only when asked for."""
    if debug or _debug_setting():
        traceback.print_exception(error)
    if isinstance(error, SceneprintError):
        print(f"error: {error}", file=sys.stderr)
        return answer_for(error).exit_code
    if isinstance(error, ModuleNotFoundError):
        print(f"error: {error}; install Sceneprint with its dependencies", file=sys.stderr)
        return MISSING_DEPENDENCY
    kind = type(error).__name__
    text = " ".join(str(error).split()) or "no details"
    print(f"unexpected error: {kind}: {text}", file=sys.stderr)
    print("run `sceneprint --debug …` for the traceback", file=sys.stderr)
    return UNEXPECTED


def _debug_setting() -> bool:
    """Whether SCENEPRINT_DEBUG asks for tracebacks; broken settings ask for none."""
    from app.settings import load_settings

    try:
        return load_settings().debug
    except SceneprintError:
        return False
