"""`sceneprint compare`: two encoders on the same queries, before or after a reindex."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    RuntimeOption,
    chosen_device,
    open_engine,
)

if TYPE_CHECKING:
    from eval.compare_queries import Query
    from retrieval.catalog import Catalog
    from retrieval.encoders.base import PictureTextEncoder

__all__ = ["compare"]

MAX_FILE_BYTES = 1_000_000
MAX_QUERIES = 1_000
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help="An encoder of the library.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one.")],
    library: LibraryOption = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            metavar="FILE",
            help="Lines of words, or paths of pictures.",
            show_default="labels, subtitles, plain words, example shots",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="Answers a query.")] = 10,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with both answers as pictures."),
    ] = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two encoders on the same queries.

    Both must have vectors in the library: reindex --no-switch makes them beside those in use.
    Overlap is the share of answers in common; recall counts the shots that labels call right.

    Example: sceneprint compare builtin onnx:mine --html compare.html
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import note, print_json
    from app.cli.progress import shown_progress
    from app.compare_report import compare_report
    from app.files import check_writable, write_whole
    from app.settings import load_settings
    from eval.compare import compare_encoders
    from eval.compare_queries import library_queries

    if html is not None:
        check_writable(html)
    settings = load_settings()
    options = {"runtime": runtime or settings.runtime, "device": chosen_device(device)}
    with (
        open_engine(library=library) as engine,
        stop_on_interrupt() as should_stop,
        shown_progress() as progress,
    ):
        catalog = engine.catalog
        asked = None if queries is None else _read_queries(queries)
        found = compare_encoders(
            _encoder(old, catalog, options),
            _encoder(new, catalog, options),
            asked or library_queries(catalog),
            catalog=catalog,
            k=k,
            backend=settings.index,
            progress=progress,
            should_stop=should_stop,
        )
        page = None if html is None else compare_report(found, catalog)
    if as_json:
        print_json(found.to_dict())
    else:
        print(found.table().text())
    if html is not None and page is not None:
        note(f"wrote {write_whole(html, page)}")


def _encoder(name: str, catalog: "Catalog", options: dict[str, Any]) -> "PictureTextEncoder":
    """Load an encoder that the library has vectors of.

    Raises:
        NotFoundError: It has none; says how to make them.
    """
    import shlex

    from retrieval.encoders import load_encoder
    from retrieval.errors import NotFoundError

    sets = [one.encoder for one in catalog.vector_sets()]
    known = next((one.spec or one.name for one in sets if name in (one.name, one.spec)), name)
    encoder = load_encoder(known, **options)
    if encoder.id not in sets:
        there = ", ".join(one.name for one in sets) or "none yet"
        raise NotFoundError(
            f"{catalog.library} has no vectors of {encoder.name}, it has those of: {there}; make "
            f"them beside: `sceneprint reindex --encoder {shlex.quote(name)} --no-switch "
            f"--library {catalog.library}`"
        )
    return encoder


def _read_queries(path: Path) -> "list[Query]":
    """The queries of a file: a line each, words or the path of a picture; # begins a remark.

    Raises:
        NotFoundError: There is no such file, or no picture where a line says.
        InvalidInputError: It is no text, too large, or has no query.
    """
    from app.pictures import read_picture
    from eval.compare_queries import Query
    from retrieval.errors import InvalidInputError, NotFoundError
    from retrieval.search import MAX_TEXT_CHARS

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInputError(f"got {path} of more than {MAX_FILE_BYTES:,} bytes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as exc:
        raise NotFoundError(f"cannot read {path}: {exc.strerror}; give a file of queries") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"got {path}, which is no UTF-8 text") from exc
    found: list[Query] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if line.lower().endswith(PICTURE_SUFFIXES):
            try:
                image = read_picture(path.parent / line)
            except NotFoundError as exc:
                raise NotFoundError(f"{path}, line {number}: {exc}") from exc
            found.append(Query("picture", Path(line).name, image=image))
        elif len(line) > MAX_TEXT_CHARS:
            raise InvalidInputError(
                f"{path}, line {number}: got {len(line)} characters, expected up to "
                f"{MAX_TEXT_CHARS}"
            )
        else:
            found.append(Query("text", line, text=line))
    if not 1 <= len(found) <= MAX_QUERIES:
        raise InvalidInputError(f"got {len(found)} queries in {path}, expected 1 to {MAX_QUERIES}")
    return found
