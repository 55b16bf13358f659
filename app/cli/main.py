"""The `sceneprint` program: its commands, and what an error becomes.

Exit codes: 0 done, 2 something the user can mend (arguments, files, library), 3 an optional
package is missing, 4 copies were found and `--fail-on-match` asked, 130 stopped by Ctrl-C, 1
anything unexpected.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from app.cli import (
    bank,
    classify,
    compare,
    compress,
    develop,
    encoders,
    export,
    ingest,
    labels,
    library,
    match,
    reindex,
    search,
    serve,
    teach,
    threshold,
    watch,
)

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="sceneprint",
    help="Find, recognise and protect film scenes.\n\n"
    "Bring films into a library, then search them by words, stills and clips, find copied "
    "footage, and sort shots by labels of your own.\n\n"
    "Example: sceneprint ingest ~/films && sceneprint search 'two bicycles'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("ingest")(ingest.ingest)
app.command("list")(library.list_videos)
app.command("info")(library.info)
app.command("remove")(library.remove)
app.command("reindex")(reindex.reindex)
app.command("compare")(compare.compare)
app.command("search")(search.search)
app.command("match")(match.match)
app.command("threshold")(threshold.threshold)
app.command("watch")(watch.watch)
app.add_typer(bank.bank_app, name="bank")
app.command("classify")(classify.classify)
app.command("teach")(teach.teach)
app.add_typer(labels.labels_app, name="labels")
app.add_typer(encoders.encoders_app, name="encoders")
app.command("serve")(serve.serve)
app.command("demo")(develop.demo)
app.add_typer(develop.train_app, name="train")
app.add_typer(compress.compress_app, name="compress")
app.command("export")(export.export)
app.add_typer(develop.bench_app, name="bench")
app.add_typer(develop.eval_app, name="eval")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sceneprint {version('sceneprint')}")
        raise typer.Exit()


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    context.obj = debug


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code; no exception leaves."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(args=given, prog_name="sceneprint")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except Exception as exc:
        from app.cli.failure import report_failure

        return report_failure(exc, debug="--debug" in given)
    return 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())
