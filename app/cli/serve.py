"""`sceneprint serve`: the HTTP interface and the browser interface on this machine."""

from typing import Annotated

import typer

from app.cli.options import DeviceOption, EncoderOption, LibraryOption, RuntimeOption

__all__ = ["serve"]


def serve(
    library: LibraryOption = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="HOST", help="Address.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.", show_default="8000"
        ),
    ] = None,
    ui: Annotated[
        bool | None, typer.Option("--ui/--no-ui", help="Serve the browser interface at /.")
    ] = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
) -> None:
    """Serve the browser interface and the HTTP API.

    It is made for this machine alone. The library is made where it does not exist. Ctrl-C stops
    the server.

    Example: sceneprint serve --library ~/films-library --port 8080
    """
    from app.http.server import run_server
    from app.settings import load_settings

    settings = load_settings()
    given = {"host": host, "port": port, "ui": ui}
    server = settings.server.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    options = {"library": library, "encoder": encoder, "runtime": runtime, "device": device}
    chosen = settings.model_copy(
        update={
            "server": server,
            **{name: value for name, value in options.items() if value is not None},
        }
    )
    run_server(chosen)
