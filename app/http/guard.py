"""What every request passes first (known host, own origin, bounded body) and every answer gets.

A server on the loopback address is reachable from every web page that its user opens. Host names
that are not ours (DNS rebinding) and requests that another site's page makes are therefore refused
before anything reads them. Pure ASGI, so that streams pass unbuffered.
"""

import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.errors import ProblemError, problem_response
from app.http.metrics import Metrics

__all__ = ["Guard", "Observe"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = frozenset({*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"})
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
API_POLICY = "default-src 'none'; frame-ancestors 'none'"

access = logging.getLogger("sceneprint.access")


class Guard:
    """Refuses foreign hosts and origins, bounds bodies, adds security headers.

    Args:
        app: The application behind it.
        allowed_hosts: Names that the Host header may carry; `*` allows all.
        max_body_bytes: Largest request body.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Iterable[str], max_body_bytes: int) -> None:
        self.app = app
        self.allowed_hosts = frozenset(host.lower().strip("[]") for host in allowed_hosts)
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sender = _with_security_headers(scope, send)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            response = problem_response(refusal.problem, instance=scope["path"])
            await response(scope, receive, sender)
            return
        await self.app(scope, _Bounded(receive, self.max_body_bytes), sender)

    def _refusal(self, scope: Scope, headers: Headers) -> ProblemError | None:
        host = headers.get("host", "")
        if "*" not in self.allowed_hosts and _name(host) not in self.allowed_hosts:
            return ProblemError(
                400, "this Host is not served here; see SCENEPRINT_SERVER__ALLOWED_HOSTS"
            )
        is_safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if not is_safe and _is_foreign(headers, host):
            return ProblemError(403, "requests from pages of other sites are refused")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.max_body_bytes:
            return _too_large(self.max_body_bytes)
        return None


def _name(host: str) -> str:
    """The name in a Host header or origin, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_foreign(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()


def _too_large(limit: int) -> ProblemError:
    return ProblemError(413, f"the request is larger than {limit} bytes, which is the limit")


class _Bounded:
    """A `receive` that counts the body and breaks off beyond the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive = receive
        self.limit = limit
        self.seen = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.seen += len(message.get("body", b""))
            if self.seen > self.limit:
                raise _too_large(self.limit)
        return message


def _with_security_headers(scope: Scope, send: Send) -> Send:
    is_api = scope["path"].startswith(("/v1/", "/health", "/ready", "/metrics", "/openapi.json"))

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            if is_api:
                headers.setdefault("Content-Security-Policy", API_POLICY)
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_guarded


class Observe:
    """Gives each request an id, logs it in one line and counts it.

    Neither query strings nor bodies are logged: they hold what people search for.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        started, status = time.perf_counter(), 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_observed)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.observe(method=method, route=_route(scope), status=status, seconds=seconds)
            access.info(
                "%s %s %d %.1f ms %s", method, _printable(scope["path"]), status,
                1000 * seconds, request_id,
            )  # fmt: skip


def _request_id(given: str | None) -> str:
    """The caller's id where it is harmless, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The route's template: a path would make a new series for every video."""
    path: Any = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path.startswith(("/v1", "/health", "/ready",
        "/metrics", "/openapi")) else "other"  # fmt: skip


def _printable(path: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in path[:200])
