"""`sceneprint encoders`: which there are, what of them is on this machine, and fetching them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption

if TYPE_CHECKING:
    from pathlib import Path

    from retrieval.encoders.base import Encoder
    from retrieval.encoders.hub import HubSource
    from retrieval.encoders.inventory import Listed
    from retrieval.encoders.known import KnownEncoder
    from retrieval.encoders.verification import Verification

__all__ = ["encoders_app"]

encoders_app = typer.Typer(
    help="Encoders: which there are, which are here.\n\nExample: sceneprint encoders list",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Encoder, as family:architecture/tag.")
]


@encoders_app.command("list")
def list_names(
    everything: Annotated[
        bool, typer.Option("--all", help="Also every name that open_clip has weights for.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List families, well-known encoders, and which are here.

    Any other checkpoint of a family loads as well; sizes are approximate.

    Example: sceneprint encoders list
    """
    from app.cli.output import print_json
    from retrieval.encoders.inventory import list_encoders
    from retrieval.encoders.registry import SOUND_FAMILIES, TEXT_FAMILIES

    families = {**SOUND_FAMILIES, **TEXT_FAMILIES}
    found = list_encoders(everything=everything)
    if as_json:
        examples = [{"name": name, "example": one.example} for name, one in families.items()]
        print_json({"families": examples, "encoders": [*map(_listed_json, found)]})
        return
    for kind in dict.fromkeys(one.known.kind for one in found):
        _print_list(kind, [one for one in found if one.known.kind == kind])
    print("* is on this machine; any other checkpoint of these families loads too:")
    print(f"{', '.join(families)}\nfetch one with: sceneprint encoders download NAME")


def _listed_json(listed: "Listed") -> dict[str, Any]:
    return {**_known_json(listed.known), "is_here": listed.is_here}


def _known_json(known: "KnownEncoder") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(known), "hub": list(known.hub)}


def _print_list(kind: str, found: "Sequence[Listed]") -> None:
    """Names on lines of their own, so that they can be copied at any width of the terminal."""
    marks = {True: "*", False: " ", None: "?"}
    print(kind)
    for one in found:
        print(f"{marks[one.is_here]} {one.known.name}")
        details = _details(one.known)
        if details:
            print(f"    {details}")
    print()


def _details(known: "KnownEncoder") -> str:
    stated = (
        (known.dim, f"{known.dim} dims"),
        (known.size_mb, f"{known.size_mb} MB"),
        (known.licence, known.licence),
        (known.languages, f"languages: {known.languages}"),
    )
    return ", ".join(str(text) for value, text in stated if value is not None)


def _or_unknown(value: object) -> str:
    return "–" if value is None else str(value)


@encoders_app.command("info")
def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show what is known of one encoder.

    Where its files are here it is loaded too, for its hash and preprocessing.

    Example: sceneprint encoders info builtin
    """
    from app.cli.output import log_to_stderr, print_json
    from retrieval.encoders.hub import missing_of
    from retrieval.encoders.inventory import kind_of, load_any
    from retrieval.encoders.known import KnownEncoder, find_known
    from retrieval.encoders.registry import hub_sources

    log_to_stderr()
    sources = hub_sources(name)
    known = find_known(name) or KnownEncoder(name=name, kind=kind_of(name))
    encoder = None if missing_of(sources) else load_any(name)
    values = _known_json(known) | _source_json(sources) | _encoder_json(encoder)
    if as_json:
        print_json(values)
        return
    _print_info(name, values)


def _source_json(sources: "Sequence[HubSource]") -> dict[str, Any]:
    from retrieval.encoders.hub import cached_folder

    folders = {source.repository: cached_folder(source) for source in sources}
    return {
        "hub": list(folders),
        "is_here": None not in folders.values(),
        "folders": [str(folder) for folder in folders.values() if folder is not None],
        "size_bytes": sum(_size_of(folder) for folder in folders.values() if folder is not None),
    }


def _size_of(folder: "Path") -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _encoder_json(encoder: "Encoder | None") -> dict[str, Any]:
    """What only the loaded encoder says."""
    if encoder is None:
        return {"hash": None, "preprocessing": None, "temperature": None}
    return {
        "hash": encoder.hash,
        "dim": encoder.dim,
        "temperature": getattr(encoder, "temperature", None),
        "preprocessing": dict(encoder.preprocessing),
    }


def _print_info(name: str, values: dict[str, Any]) -> None:
    size_mb = values["size_bytes"] / 1e6
    about = "–" if values["size_mb"] is None else f"about {values['size_mb']} MB"
    pairs = [
        ("Encoder", name),
        ("Kind", values["kind"]),
        ("Dim", _or_unknown(values["dim"])),
        ("Licence", _or_unknown(values["licence"])),
        ("Languages", _or_unknown(values["languages"])),
        ("Size", f"{size_mb:.0f} MB" if size_mb else about),
        ("Here", "yes" if values["is_here"] else "no"),
        *(("Hub", repository) for repository in values["hub"]),
        *(("Folder", folder) for folder in values["folders"]),
    ]
    if values["hash"] is not None:
        pairs.append(("Hash", values["hash"]))
    if values["temperature"] is not None:
        pairs.append(("Temperature", f"{values['temperature']:.2f}"))
    stated = (values["preprocessing"] or {}).items()
    pairs += [(f"  {key}", str(value)) for key, value in stated if value is not None]
    width = max(len(key) for key, _ in pairs)
    for key, value in pairs:
        print(f"{key:<{width}}  {value}")
    if not values["is_here"]:
        print(f"\nfetch it with `sceneprint encoders download {name}`")


@encoders_app.command("download")
def download(
    name: NameArgument,
    update: Annotated[
        bool,
        typer.Option("--update", help="Ask the hub again: what is newer, or damaged here."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch what an encoder needs; a cut download goes on.

    Every file is compared with the hash that the hub states.

    Example: sceneprint encoders download open_clip:ViT-B-32/laion2b_s34b_b79k
    """
    from app.cli.cancel import stop_on_interrupt
    from app.cli.output import log_to_stderr, print_json
    from app.cli.progress import shown_progress
    from retrieval.encoders.inventory import download as fetch_all

    log_to_stderr()
    with stop_on_interrupt() as should_stop, shown_progress() as progress:
        folders = fetch_all(name, update=update, progress=progress, should_stop=should_stop)
    if as_json:
        sizes = sum(map(_size_of, folders))
        print_json({"name": name, "folders": [*map(str, folders)], "size_bytes": sizes})
        return
    if not folders:
        print(f"{name} takes nothing from a hub")
    for folder in folders:
        print(f"{folder}  {_size_of(folder) / 1e6:.1f} MB")


@encoders_app.command("verify")
def verify(name: NameArgument, as_json: JsonOption = False) -> None:
    """Check the files of an encoder, then embed something.

    Files of the hub's cache are compared with their hash, folders of Sceneprint with the manifest.

    Example: sceneprint encoders verify builtin
    """
    from app.cli.output import log_to_stderr, print_json
    from retrieval.encoders.verification import verify as check

    log_to_stderr()
    found = check(name)
    if as_json:
        files = [{"path": str(one.path), "status": one.status} for one in found.files]
        values = {"name": name, "is_sound": found.is_sound, "files": files}
        print_json(values | _encoder_json(found.encoder))
    else:
        _print_verification(name, found)
    if not found.is_sound:
        raise typer.Exit(2)


def _print_verification(name: str, found: "Verification") -> None:
    from app.cli.output import print_table

    rows = [(one.path.name, one.status) for one in found.files]
    print_table([("File", "fold"), ("Bytes", "left")], rows)
    if found.encoder is not None:
        print(f"it embeds, {found.encoder.dim} dimensions, hash {found.encoder.hash}")
    else:
        print(f"repair it: sceneprint encoders download {name} --update")
