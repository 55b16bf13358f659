"""What the browser interface may do, decided by whoever starts the server."""

from dataclasses import dataclass

__all__ = ["UiOptions"]


@dataclass(frozen=True)
class UiOptions:
    """Bounds of the browser interface.

    Attributes:
        max_upload_bytes: Largest file that a browser may send.
        max_upload_seconds: Longest film that a browser may send.
        accepts_paths: Whether films may be added by typing a path of this machine. Right only for
            a server that none but its owner can reach.
        may_change: Whether films may be added and removed at all.
    """

    max_upload_bytes: int = 2 * 1024**3
    max_upload_seconds: float = 4 * 3600.0
    accepts_paths: bool = True
    may_change: bool = True

    def __post_init__(self) -> None:
        if self.max_upload_bytes < 1:
            raise ValueError(f"got {self.max_upload_bytes = }, expected at least one byte")
