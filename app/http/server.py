"""Runs the application: for `sceneprint serve`, and in a thread for benchmarks."""

import http.client
import json
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.http.application import create_app
from app.settings import Settings
from retrieval.engine import Engine
from retrieval.errors import InvalidInputError

__all__ = ["run_server", "served", "serving"]

SHUTDOWN_SECONDS = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run_server(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; the address is printed once it is taken.

    Raises:
        InvalidInputError: The address cannot be taken.
        CatalogError: The library cannot be opened.
    """
    _log_to_stderr(settings.log_level)
    server = settings.server
    listener = _listen(server.host, server.port)
    url = _url(server.host, listener.getsockname()[1])
    with (
        listener,
        Engine(
            settings.library,
            encoder=settings.library_encoder,
            copy_encoder=settings.copy_encoder,
            sound_encoder=settings.sound_encoder,
            index=settings.index,
            limits=settings.media_limits,
            runtime=settings.runtime,
            device=settings.device,
            create=True,
        ) as engine,
    ):
        print(f"Sceneprint serves {settings.library} at {url}", flush=True)
        if server.host not in LOOPBACK:
            _warn_open(server.host)
        app = create_app(settings, engine=engine, on_ready=lambda: print("ready", flush=True))
        with _signals_end_quietly():
            _server(app, settings.log_level).run(sockets=[listener])


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let the server's end by a signal be a good end: uvicorn raises the signal once more."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _server(app: FastAPI, log_level: str) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level=log_level,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say TCP: without
    # it every answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise InvalidInputError(
            f"cannot listen on {host} port {port}: {exc.strerror or exc}; choose another --port"
        ) from exc
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _warn_open(host: str) -> None:
    print(
        f"warning: {host} can be reached from other machines and there are no accounts; put a "
        "proxy with a login before it, and name it in SCENEPRINT_SERVER__ALLOWED_HOSTS",
        file=sys.stderr,
    )


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in ("faiss.loader", "httpx", "httpcore", "asyncio", "multipart", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def serving(engine: Engine) -> Iterator[Callable[[str], object]]:
    """Serve an engine on a free port of this machine; yields a function that searches there.

    The connection is kept, as a client's would be; what is left is the cost of HTTP itself.
    """
    settings = Settings()
    settings = settings.model_copy(
        update={"server": settings.server.model_copy(update={"ui": False, "host": "127.0.0.1"})}
    )
    with served(create_app(settings, engine=engine)) as port:
        yield _searcher(port)


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """Serve an application in a thread, on a free port of this machine, which is yielded."""
    listener = _listen("127.0.0.1", 0)
    server = _server(app, "warning")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(SHUTDOWN_SECONDS + 5)
        listener.close()


def _searcher(port: int) -> Callable[[str], object]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json"}

    def search(text: str) -> object:
        connection.request("POST", "/v1/search", json.dumps({"text": text}), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"the search was answered {response.status}: {body.get('detail')}")
        return body["hits"]

    return search
