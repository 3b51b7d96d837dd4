"""python -m bot criteria check | publish"""

from pathlib import Path
from typing import Annotated

import typer

from bot.app import utc_now
from bot.commands import in_transaction
from handlers.titles.lint import Fault, check
from handlers.titles.published import publish_file
from storage.revision import Revision

app = typer.Typer(no_args_is_help=True, help="The titles' criteria.")
Files = Annotated[list[Path], typer.Argument(help="Criteria files (TOML).")]


@app.command("check")
def check_files(files: Files) -> None:
    """Name every fault of criteria files, by line. Exit code 1 where there is any."""
    faults = [fault for file in files for fault in _faults(file)]
    if faults:
        raise typer.Exit(1)
    typer.echo("No faults.")


@app.command()
def publish(file: Annotated[Path, typer.Argument(help="A criteria file (TOML).")]) -> None:
    """Make a file the current criteria of its title. Papers already begun keep theirs."""
    if any(fault.hinders for fault in _faults(file)):
        typer.echo("Not published.", err=True)
        raise typer.Exit(1)

    async def work(session) -> Revision:  # type: ignore[no-untyped-def]
        return await publish_file(session, file, utc_now())

    row = in_transaction(work)
    typer.echo(f"{row.title_id}: revision {row.number} is in force.")


def _faults(file: Path) -> list[Fault]:
    try:
        faults = check(file)
    except OSError as error:
        faults = [Fault(0, f"cannot be read: {error.strerror}")]
    for fault in faults:
        note = "" if fault.hinders else "note: "
        typer.echo(f"{file}:{fault.line}: {note}{fault.text}", err=True)
    return faults
