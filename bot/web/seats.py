"""Who sits at the web chat: a signed cookie a seat, and signed links to files."""

import hashlib
import hmac
import ipaddress
import re
import secrets

from aiohttp import web

YEAR = 365 * 24 * 3600
_SEAT = re.compile(r"[a-z0-9-]{1,20}")


class Seats:
    """Makes and checks the cookies. A seat is a place in one browser, so that a tab may be another person."""

    def __init__(self, secret: bytes, secure: bool) -> None:
        self.secret, self.secure = secret, secure

    def chat_of(self, request: web.Request, seat: str) -> str | None:
        """The chat that the seat's cookie names, if the signature is ours."""
        chat, _dot, mark = request.cookies.get(f"chat_{seat}", "").partition(".")
        return chat if chat and hmac.compare_digest(mark, self.mark(f"{seat}.{chat}")) else None

    def give(self, response: web.StreamResponse, seat: str) -> None:
        """A new chat for this seat."""
        chat = secrets.token_hex(16)
        value = f"{chat}.{self.mark(f'{seat}.{chat}')}"
        response.set_cookie(f"chat_{seat}", value, max_age=YEAR, httponly=True, samesite="Lax", secure=self.secure, path="/")

    def file_path(self, sha256: str) -> str:
        """Where whoever is given this may see the file."""
        return f"/files/{sha256}.{self.mark(f'file.{sha256}')}"

    def mark(self, words: str) -> str:
        """The signature under some words."""
        return hmac.new(self.secret, words.encode(), hashlib.sha256).hexdigest()[:32]


def seat_name(name: str) -> str:
    """A seat as the address writes it. Raises HTTPNotFound for anything odd."""
    if not _SEAT.fullmatch(name):
        raise web.HTTPNotFound
    return name


def network_address(request: web.Request) -> str:
    """From where the request comes; behind a proxy on this machine or in a network of our own, what the proxy says."""
    remote = request.remote or ""
    try:
        nearby = ipaddress.ip_address(remote).is_private
    except ValueError:
        nearby = True
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return forwarded if nearby and forwarded else remote


def same_origin(request: web.Request) -> bool:
    """Whether a browser opened this from our own page: another site's page may not speak with our cookie."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("X-Forwarded-Host", request.host)
