"""The one place that reads the environment: `SCENEPRINT_…`, nested with two underscores.

`SCENEPRINT_SERVER__PORT=9000` sets `Settings().server.port`. Options of the command line win over
the environment; the core below takes plain arguments and knows nothing of this file.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval.errors import InvalidInputError

if TYPE_CHECKING:
    from retrieval.media.limits import MediaLimits

__all__ = [
    "JobSettings",
    "LimitSettings",
    "ServerSettings",
    "Settings",
    "UploadSettings",
    "load_settings",
]

GIB = 1024**3
Device = Literal["auto", "cpu", "cuda", "tensorrt"]
LogLevel = Literal["debug", "info", "warning", "error"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
    """Where `sceneprint serve` listens and what it lets through."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "::1"),
        description="names that the Host header may carry (JSON list); the host is always added",
    )
    media_roots: tuple[Path, ...] = Field(
        (), description="folders from which POST /v1/videos may ingest by path (JSON list)"
    )
    may_change: bool = Field(
        True, description="whether the server may ingest, remove, label and teach"
    )
    max_concurrency: int = Field(
        4, ge=1, le=64, description="requests that may compute at the same time"
    )
    max_waiting: int = Field(
        64, ge=0, description="requests that may wait for that; more are answered with 503"
    )
    ui: bool = Field(True, description="whether the browser interface is served at /")


class UploadSettings(_Section):
    """Bounds on what a client may send."""

    max_bytes: int = Field(2 * GIB, ge=1, description="largest request body, in bytes")
    max_seconds: float = Field(
        4 * 3600.0, gt=0, description="longest film that may be uploaded, in seconds"
    )
    max_clip_seconds: float = Field(
        600.0, gt=0, description="longest clip or sound that a direct answer may take, in seconds"
    )


class JobSettings(_Section):
    """Bounds on background work of the server."""

    workers: int = Field(1, ge=1, le=16, description="jobs that run at the same time")
    max_waiting: int = Field(16, ge=0, description="jobs that may wait; more are answered with 503")
    keep_seconds: float = Field(
        3600.0, gt=0, description="how long a finished job can be asked for, in seconds"
    )


class LimitSettings(_Section):
    """Bounds on every media file; see `retrieval.media.limits`."""

    max_bytes: int = Field(200 * GIB, gt=0, description="largest media file, in bytes")
    max_duration_seconds: float = Field(24 * 3600.0, gt=0, description="longest media file")
    max_pixels: int = Field(8192 * 4320, gt=0, description="width x height of one picture")
    max_streams: int = Field(64, gt=0, description="streams in one file")


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix="SCENEPRINT_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    library: Path = Field(Path("library"), description="directory of the library")
    encoder: str = Field(
        "builtin",
        description="encoder name, `family:architecture/tag`; where it is not set, a library that "
        "has vectors is opened with its own encoder",
    )
    copy_encoder: str = Field(
        "builtin", description="copy encoder name: what describes frames for `match`"
    )
    sound_encoder: str = Field(
        "builtin",
        description="sound encoder name: `builtin` or `clap:…`; what embeds sound",
    )
    index: str = Field("faiss", description="vector index backend: `faiss` or `exact`")
    runtime: str = Field(
        "auto",
        description="what runs the encoder: `auto`, `onnxruntime`, `openvino` or `tensorrt`",
    )
    device: Device = Field("cpu", description="`cpu`, `cuda`, `tensorrt` or `auto`")
    log_level: LogLevel = Field("info", description="of the server's log")
    debug: bool = Field(False, description="tracebacks for errors of the command line")
    server: ServerSettings = ServerSettings()
    upload: UploadSettings = UploadSettings()
    jobs: JobSettings = JobSettings()
    limits: LimitSettings = LimitSettings()

    @property
    def library_encoder(self) -> str | None:
        """The encoder to open a library with; None where none was named: then its own."""
        return self.encoder if "encoder" in self.model_fields_set else None

    @cached_property
    def media_limits(self) -> "MediaLimits":
        """The media bounds as the core takes them."""
        from retrieval.media.limits import MediaLimits

        return MediaLimits(**self.limits.model_dump())


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        InvalidInputError: A variable has a value that is not allowed; the message names it.
    """
    try:
        return Settings()
    except ValidationError as exc:
        raise InvalidInputError(_explain(exc)) from exc


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    variable = "SCENEPRINT_" + "__".join(str(part).upper() for part in first["loc"])
    return f"{variable}: {first['msg']} (got {first['input']!r}); correct or unset the variable"
