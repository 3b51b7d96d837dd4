"""python -m bot zalo connect"""

import asyncio
import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import typer

from bot import logs
from bot.app import build
from bot.channels.zalooa import CONNECTED, PATH, ZaloOa
from bot.channels.zalooa_client import OaError
from bot.commands import open_database
from bot.settings import SettingProblem, read_settings

app = typer.Typer(no_args_is_help=True, help="The Zalo Official Account.")
CONSENT = "/v4/oa/permission"


@app.callback()
def zalo() -> None:
    """The Zalo Official Account."""


@app.command()
def connect() -> None:
    """Ask for the Official Account's consent, and keep the keys that come of it. On SQLite, stop the bot first."""
    name, webhook = asyncio.run(_connect())
    typer.echo(f"Connected: {name}")
    typer.echo(f"Webhook address to enter at developers.zalo.me: {webhook}")


async def _connect() -> tuple[str, str]:
    settings = read_settings()
    logs.set_up(settings.log_level)
    async with open_database(settings) as database:
        database.keep_others_out()
        channel: Any = build(settings, database).channels.get("zalooa")
        if not isinstance(channel, ZaloOa):
            raise SettingProblem("ZALO_OA_APP_ID: not set; set it with the other ZALO_OA settings, see .env.example")
        try:
            return await _consent(channel, settings.zalo_oauth_url), settings.public_url + PATH
        finally:
            await channel.client.close()


async def _consent(channel: ZaloOa, oauth_url: str) -> str:
    """The Official Account's name. Raises SettingProblem where what was pasted, or the platform, will not do."""
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(12)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"app_id": channel.app_id, "redirect_uri": channel.public_url + CONNECTED}
    asked |= {"code_challenge": challenge, "state": state}
    typer.echo("1. Open this address in a browser, as an administrator of the Official Account, and agree:")
    typer.echo(f"   {oauth_url}{CONSENT}?{urlencode(asked)}")
    typer.echo("2. Paste here the whole address of the page on which the browser then lands (it is good for 10 minutes):")
    code = read_code(await asyncio.to_thread(typer.prompt, "Address", prompt_suffix=": "), state)
    try:
        await channel.tokens.exchange(code, verifier)
        account = await channel.client.get("/v2.0/oa/getoa", await channel.tokens.current())
    except OaError as error:
        words = "check ZALO_OA_APP_ID and ZALO_OA_APP_SECRET, and begin anew"
        raise SettingProblem(f"zalo connect: Zalo refused ({error}); {words}") from None
    return str(account.get("name", "?"))


def read_code(pasted: str, state: str) -> str:
    """The code in what an operator pasted: an address, or the code alone. Raises SettingProblem."""
    given = parse_qs(urlsplit(pasted.strip()).query)
    if given.get("state", [state]) != [state]:
        raise SettingProblem("zalo connect: this address belongs to another attempt; begin anew")
    code = given["code"][0] if "code" in given else pasted.strip()
    if "code" not in given and ("/" in code or " " in code or len(code) < 8):
        raise SettingProblem("zalo connect: there is no code in what was pasted; paste the whole address, with ?code=")
    return code
