"""python -m bot officers invite | list"""

from typing import Annotated

import segno
import typer
from sqlmodel import col, select

from bot.app import utc_now
from bot.commands import find_place, in_transaction
from bot.settings import Settings, read_settings
from handlers.approval.invitation import PREFIX
from handlers.approval.roles import ROLES
from storage.assignment import Assignment, invite
from storage.person import Person
from storage.place import Place, chain
from storage.session import Session

app = typer.Typer(no_args_is_help=True, help="The officers.")
DAYS = 7


@app.command("invite")
def invite_officer(
    role: Annotated[str, typer.Option(help=f"One of: {', '.join(ROLES)}.")],
    area: Annotated[str, typer.Option(help="The place's code or name, for instance “Trung Tiến, Cẩm Bình”.")],
    qr: Annotated[bool, typer.Option(help="Draw the link as a QR code.")] = False,
) -> None:
    """Print a one-time link and code that make whoever opens it an officer."""
    if role not in ROLES:
        typer.echo(f"--role: {role} is not a role; known: {', '.join(ROLES)}", err=True)
        raise typer.Exit(2)

    async def work(session: Session) -> tuple[str, str]:
        place = await find_place(session, area, ROLES[role].level)
        name = ", ".join(f"{one.kind} {one.name}" for one in await chain(session, place.id or 0))
        return await invite(session, role, place.id or 0, utc_now(), DAYS), name

    code, name = in_transaction(work)
    link = web_link(read_settings(), PREFIX + code)
    typer.echo(f"{ROLES[role].name} – {name}")
    typer.echo(f"Link:  {link}")
    typer.echo(f"Code:  {code}   (in any chat with the bot: /moi, then the code)")
    typer.echo(f"Valid for {DAYS} days, once.")
    if qr:
        segno.make(link).terminal(compact=True)


@app.command("list")
def list_officers() -> None:
    """Every officer, with role and place."""

    async def work(session: Session) -> list[tuple[Assignment, Person, Place]]:
        query = (
            select(Assignment, Person, Place)
            .join(Person, col(Person.id) == col(Assignment.person_id))
            .join(Place, col(Place.id) == col(Assignment.place_id))
            .where(col(Assignment.until).is_(None))
            .order_by(Place.code, Assignment.role)
        )
        return list((await session.exec(query)).all())

    for row, person, place in in_transaction(work):
        typer.echo(f"{row.role:12} {place.code:12} {place.kind} {place.name}: {person.full_name or '(no name yet)'}")


def web_link(settings: Settings, payload: str, seat: str | None = None) -> str:
    """The address that opens the web chat with a payload; a seat keeps it apart from others in the same browser."""
    return f"{settings.web_address}/{f'chat/{seat}' if seat else ''}?start={payload}"
