"""A model hub on this machine: the few answers that huggingface_hub asks for, and its faults."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

__all__ = ["FakeHub", "fake_hub", "git_hash"]


@dataclass
class FakeHub:
    """What the server holds, how it misbehaves, and what it was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Contents by repository and path; weights are large files, the rest is small."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    damaged: set[str] = field(default_factory=set)
    """Paths that arrive with another first byte."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of every request."""
    url: str = ""
    cache: Path = Path()

    def add_folder(self, repository: str, folder: Path) -> None:
        self.files[repository] = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def commit(self, repository: str) -> str:
        """Another one for other contents."""
        return git_hash(repr(sorted(self.files[repository].items())).encode())

    def gets(self, path: str) -> list[str]:
        """The ranges that were asked of one file."""
        return [asked[2] for asked in self.asked if asked[0] == "GET" and asked[1].endswith(path)]


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin"))


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _hash(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if is_large(path) else git_hash(data)


@contextmanager
def fake_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[FakeHub]:
    """Serve an empty hub, with an empty cache in a folder, and make it the hub of this process."""
    from huggingface_hub import constants

    fake = FakeHub(cache=folder / "hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", fake.url)
    template = fake.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(fake.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def _handler(fake: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlparse(self.path).path)
            fake.asked.append((self.command, path, self.headers.get("Range", "")))
            if path.startswith("/api/models/"):
                self._send_listing(path.removeprefix("/api/models/"))
                return
            repository, _, rest = path.removeprefix("/").partition("/resolve/")
            file = rest.partition("/")[2]
            data = fake.files.get(repository, {}).get(file)
            if data is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            else:
                self._send_file(repository, file, data, with_body=with_body)

        def _send_listing(self, repository: str) -> None:
            files = fake.files.get(repository)
            if files is None:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = []
            for path, data in files.items():
                one = {"rfilename": path, "size": len(data), "blobId": git_hash(data)}
                if is_large(path):
                    lfs = {"sha256": _hash(path, data), "size": len(data), "pointerSize": 1}
                    one["lfs"] = lfs
                siblings.append(one)
            body = {"id": repository, "sha": fake.commit(repository), "siblings": siblings}
            self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def _send_file(self, repository: str, path: str, data: bytes, *, with_body: bool) -> None:
            headers = {
                "X-Repo-Commit": fake.commit(repository),
                "ETag": f'"{_hash(path, data)}"',
            }
            if path in fake.damaged:
                data = bytes([data[0] ^ 1]) + data[1:]
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            if wanted:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            code = 206 if wanted else 200
            self._send(code, data[start:], headers, cut=with_body, with_body=with_body)

        def _send(
            self,
            code: int,
            body: bytes,
            headers: dict[str, str],
            *,
            cut: bool = False,
            with_body: bool = True,
        ) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if not with_body:
                return
            if cut and is_large(self.path) and fake.cuts:
                self.wfile.write(body[: fake.cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(body)

    return Handler
