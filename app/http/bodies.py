"""Bodies that are JSON or a multipart form with files, and how the OpenAPI tells of them.

One path takes both, as its clients need them; FastAPI declares one kind a route, so the routes
read their bodies through here. Files go to a private folder of the request, under names of ours;
what the client calls them is never part of a path.
"""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

import anyio.to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from app.http.errors import ProblemError

__all__ = ["Body", "Upload", "body_schema", "read_body"]

T = TypeVar("T", bound=BaseModel)

MAX_JSON_BYTES = 1024 * 1024
MAX_FIELD_BYTES = 256 * 1024
MAX_FIELDS = 32


@dataclass(frozen=True)
class Upload:
    """A file that came with the request."""

    path: Path
    client_name: str
    """What the client calls it: for show, never for a path."""

    def digest(self) -> str:
        """SHA-256 of the content."""
        with self.path.open("rb") as file:
            value = sha256()
            while block := file.read(1 << 20):
                value.update(block)
        return value.hexdigest()


@dataclass
class Body(Generic[T]):
    """A request's fields and files; the files go with `close`, unless someone keeps them."""

    fields: T
    files: Mapping[str, Upload] = field(default_factory=dict)
    folder: Path | None = None

    def close(self) -> None:
        """Delete the files; more than once does no harm."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def detach(self) -> "Body[T]":
        """Leave the files to the caller, who closes the returned body when done with them."""
        kept = Body(self.fields, self.files, self.folder)
        self.folder = None
        return kept

    def fingerprint(self) -> str:
        """Of all fields and the content of all files."""
        parts = [self.fields.model_dump_json()]
        parts += [f"{name}:{self.files[name].digest()}" for name in sorted(self.files)]
        return sha256("\n".join(parts).encode()).hexdigest()


@asynccontextmanager
async def read_body(
    request: Request,
    *,
    form: type[T],
    files: Sequence[str],
    body: type[T] | None = None,
) -> AsyncIterator[Body[T]]:
    """Read a body; its files are deleted on leaving.

    Args:
        request: Whose body is read.
        form: Model of the fields beside files.
        files: Names of the parts that may be files, each at most once.
        body: Model of the JSON; None where only a form is taken.

    Raises:
        RequestValidationError: A field is missing, unknown or has a value that is not allowed.
        ProblemError: Another content type, or too much of it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" and body is not None:
        yield Body(_validated(body, _parsed(await _read_json(request)), strict=True))
    elif kind == "multipart/form-data":
        async with request.form(
            max_files=len(files), max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        ) as data:
            read = await _read_form(data, form, files)
        try:
            yield read
        finally:
            await anyio.to_thread.run_sync(read.close)
    else:
        taken = "multipart/form-data" if body is None else "application/json or multipart/form-data"
        raise ProblemError(415, f"got content type {kind or 'none'!r}, expected {taken}")


async def _read_json(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_JSON_BYTES:
            raise ProblemError(413, f"the JSON is larger than {MAX_JSON_BYTES} bytes")
    return data


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise RequestValidationError([_error((), f"not valid JSON: {exc}")]) from exc


def _validated(model: type[T], value: Any, *, strict: bool = False) -> T:
    """Check fields; JSON has types of its own (`strict`), a form has only text."""
    try:
        return model.model_validate(value, strict=strict)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
        found = [_error(item["loc"], item["msg"]) for item in errors]
        raise RequestValidationError(found) from exc


def _error(location: tuple[int | str, ...], message: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": ("body", *location), "msg": message, "input": None}


async def _read_form(data: FormData, form: type[T], files: Sequence[str]) -> Body[T]:
    fields: dict[str, str] = {}
    parts: dict[str, UploadFile] = {}
    for name, value in data.multi_items():
        if name in fields or name in parts:
            raise RequestValidationError([_error((name,), "comes twice, expected once")])
        if isinstance(value, str):
            fields[name] = value
        elif name in files:
            parts[name] = value
        else:
            message = f"is not a file that is taken here; expected {_names(files)}"
            raise RequestValidationError([_error((name,), message)])
    wrong = next((name for name in files if name in fields), None)
    if wrong is not None:
        raise RequestValidationError([_error((wrong,), "expected a file with a file name")])
    checked = _validated(form, fields)
    return await anyio.to_thread.run_sync(_store, checked, parts)


def _names(files: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in files)


def _store(fields: T, parts: Mapping[str, UploadFile]) -> Body[T]:
    """Copy the uploads to a private folder, each under the name of its part."""
    folder = Path(tempfile.mkdtemp(prefix="sceneprint-upload-"))
    try:
        files = {}
        for name, part in parts.items():
            path = folder / name
            with path.open("xb") as target:
                shutil.copyfileobj(part.file, target, 1 << 20)
            files[name] = Upload(path, part.filename or name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Body(fields, files, folder)


def body_schema(
    *,
    form: type[BaseModel],
    files: Mapping[str, str],
    body: type[BaseModel] | None = None,
    any_of: Sequence[str] = (),
) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body through `read_body`.

    Args:
        form: See `read_body`.
        files: Name and description of each file.
        body: See `read_body`.
        any_of: Parts of the form of which at least one must come.
    """
    content: dict[str, Any] = {}
    if body is not None:
        content["application/json"] = {"schema": _inline(body)}
    schema = _inline(form)
    schema.pop("examples", None)
    for name, text in files.items():
        schema["properties"][name] = {"type": "string", "format": "binary", "description": text}
    if any_of:
        schema["anyOf"] = [{"required": [name]} for name in any_of]
    content["multipart/form-data"] = {"schema": schema}
    return {"requestBody": {"required": True, "content": content}}


def _inline(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in place; a form has no null, an absent field is just not there."""
    schema = model.model_json_schema()
    for value in schema["properties"].values():
        options = value.pop("anyOf", None)
        if options is not None:
            value.update(next(one for one in options if one.get("type") != "null"))
            value.pop("default", None)
    return schema
