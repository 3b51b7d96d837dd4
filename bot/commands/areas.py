"""python -m bot areas load | import | list | link"""

from pathlib import Path
from typing import Annotated

import segno
import typer

from bot.app import utc_now
from bot.commands import find_place, in_transaction
from bot.commands.officers import web_link
from bot.settings import read_settings
from storage.place import Place, chain, children
from storage.places import official, villages
from storage.session import Session

app = typer.Typer(no_args_is_help=True, help="Provinces, communes and villages.")


@app.command()
def load(
    province: Annotated[str, typer.Option(help="A province's code or name; “all” for the 34 provinces.")] = "Hà Tĩnh",
) -> None:
    """Load the official provinces and communes, with their names from before 1/7/2025. May be run again."""

    async def work(session: Session) -> official.LoadReport:
        try:
            return await official.load(session, None if province == "all" else province, utc_now())
        except official.UnknownProvince as unknown:
            typer.echo(f"--province: {unknown}", err=True)
            raise typer.Exit(2) from unknown

    typer.echo(str(in_transaction(work)))


@app.command("import")
def import_villages(
    file: Annotated[Path, typer.Argument(help="CSV with the columns xã, thôn and, if needed, tỉnh, tên khác, khó khăn.")],
    dry_run: Annotated[bool, typer.Option(help="Only check, write nothing.")] = False,
) -> None:
    """Import an association's list of villages: all of it, or nothing where any row has a fault."""

    async def work(session: Session) -> str:
        rows, faults = await villages.read_villages(file, session)
        for fault in faults:
            typer.echo(fault, err=True)
        if faults:
            typer.echo(f"{len(faults)} faults; nothing was imported.", err=True)
            raise typer.Exit(1)
        if dry_run:
            return f"{len(rows)} villages are in order; nothing was imported (dry run)."
        return str(await villages.import_villages(session, rows, utc_now()))

    typer.echo(in_transaction(work))


@app.command("list")
def list_places(area: Annotated[str, typer.Argument(help="A commune's code or name; empty: the communes.")] = "") -> None:
    """List the communes, or the villages of one."""

    async def work(session: Session) -> list[Place]:
        if area:
            return await children(session, (await find_place(session, area, "commune")).id or 0)
        from sqlmodel import select

        return list((await session.exec(select(Place).where(Place.level == "commune").order_by(Place.code))).all())

    for place in in_transaction(work):
        mark = "" if place.confirmed else "   (typed by a citizen, not confirmed)"
        typer.echo(f"{place.code:12} {place.kind} {place.name}{mark}")


@app.command()
def link(
    area: Annotated[str, typer.Argument(help="A village's code or name.")],
    qr: Annotated[bool, typer.Option(help="Draw the link as a QR code.")] = True,
) -> None:
    """Print the link that opens the chat with a village filled in, for a poster at the village hall."""

    async def work(session: Session) -> tuple[str, str]:
        place = await find_place(session, area, "village")
        return place.code, ", ".join(f"{one.kind} {one.name}" for one in await chain(session, place.id or 0))

    code, name = in_transaction(work)
    address = web_link(read_settings(), f"v-{code}")
    typer.echo(f"{name}\n{address}")
    if qr:
        segno.make(address).terminal(compact=True)
