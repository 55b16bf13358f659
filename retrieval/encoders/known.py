"""Well-known encoders: what is known of them before anything is loaded or fetched.

The table is data (`known_encoders.toml` beside this file). Nothing depends on a name being in it.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

__all__ = ["EncoderKind", "KnownEncoder", "find_known", "known_encoders"]

EncoderKind = Literal["picture-text", "sound-text", "sound", "text"]

_TABLE = Path(__file__).with_name("known_encoders.toml")
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class KnownEncoder:
    """One line of the table; what is None is not known for certain."""

    name: str
    kind: EncoderKind
    dim: int | None = None
    size_mb: int | None = None
    """Approximate, of what is fetched."""
    licence: str | None = None
    """Of the weights."""
    languages: str | None = None
    hub: tuple[str, ...] = ()
    """Repositories: the weights' first, then those of the text side."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(EncoderKind):
            raise ValueError(f"got {self.kind = }, expected one of {get_args(EncoderKind)}")


@cache
def known_encoders() -> tuple[KnownEncoder, ...]:
    """The table.

    Raises:
        ValueError: it is of a version that is not known.
    """
    raw = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    if raw["version"] != _VERSION:
        raise ValueError(f"got version {raw['version']} of {_TABLE}, expected {_VERSION}")
    return tuple(
        KnownEncoder(**{**row, "hub": tuple(row.get("hub", ()))}) for row in raw["encoder"]
    )


def find_known(name: str) -> KnownEncoder | None:
    """The line of a name; None where the table has none."""
    return next((known for known in known_encoders() if known.name == name), None)
