"""The terminal: a talk typed line by line, as any named person; for trying things out."""

from collections.abc import Iterable

import typer
from aiohttp import web

from bot.channels import Can, Edit, NotFetched, Outgoing, Receive
from handlers.incoming import Sent


class Terminal:
    name = "terminal"
    can = Can(text_limit=20_000, label="terminal", edits=False, files=False)

    def routes(self, receive: Receive) -> Iterable[web.RouteDef]:
        return []

    async def start(self, receive: Receive) -> None:
        """Nothing to do: bot.commands.chat reads the lines."""

    async def stop(self) -> None:
        """Nothing to do."""

    async def send(self, message: Outgoing) -> str:
        typer.echo(f"\n{message.chat} < {message.text}")
        for number, (label, _token) in enumerate((button for row in message.buttons for button in row), 1):
            typer.echo(f"    [{number}] {label}")
        return str(message.delivery_id)

    async def edit(self, change: Edit) -> None:
        """A terminal does not go back."""

    async def fetch(self, sent: Sent) -> bytes:
        raise NotFetched("a terminal sends no files")

    def link(self, payload: str) -> str | None:
        return None
