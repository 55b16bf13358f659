"""Bounds on what a media file may ask of this machine.

Media comes from strangers: every number a container declares is checked against these before
memory or time is spent on it.
"""

from dataclasses import dataclass, fields

__all__ = ["MediaLimits"]


@dataclass(frozen=True)
class MediaLimits:
    """Largest file that is accepted; all values are positive."""

    max_bytes: int = 200 * 1024**3
    """Size of one file."""
    max_duration_seconds: float = 24 * 3600.0
    """Declared or measured length of one file."""
    max_pixels: int = 8192 * 4320
    """Width x height of one picture."""
    max_streams: int = 64
    """Streams in one container."""
    max_decode_seconds: float = 300.0
    """Time that decoding may take whatever the length of the film…"""
    max_decode_ratio: float = 20.0
    """… and on top of it, per second of film: a file that needs more is given up."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"got {field.name}={value!r}, expected a positive number")

    def decode_budget_seconds(self, duration_seconds: float) -> float:
        """Longest time that decoding a film of this length may take."""
        return self.max_decode_seconds + self.max_decode_ratio * duration_seconds
