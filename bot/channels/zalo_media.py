"""A picture or a file that somebody sent over Zalo: fetched at once from the platform's own hosts, for its address expires."""

from collections.abc import Collection
from urllib.parse import urlsplit

import aiohttp

from bot.channels import NotFetched

HOSTS = ("zdn.vn", "zadn.vn", "zaloapp.com", "zalo.me")
LARGEST = 20 * 1024 * 1024  # bytes
PATIENCE = aiohttp.ClientTimeout(sock_connect=10, sock_read=20, total=60)


async def fetch_media(http: aiohttp.ClientSession, url: str, hosts: Collection[str] = HOSTS, largest: int = LARGEST) -> bytes:
    """What lies at an address of the platform, of at most `largest` bytes.

    Raises NotFetched; the reason names no address, which would open the picture for whoever reads the log.
    """
    if not is_of(url, hosts):
        raise NotFetched("not an address of the platform")
    content = bytearray()
    try:
        async with http.get(url, allow_redirects=False, timeout=PATIENCE) as answer:
            if answer.status != 200:
                raise NotFetched(f"status {answer.status}")
            async for part in answer.content.iter_any():
                content += part
                if len(content) > largest:
                    raise NotFetched("too big")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise NotFetched(type(error).__name__) from None
    return bytes(content)


def is_of(url: str, hosts: Collection[str]) -> bool:
    """Whether the address is on one of these hosts, or below one."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    named = host if port is None else f"{host}:{port}"
    # Without encryption only where a host is given with its port: a stand-in on this machine.
    secure = parts.scheme == "https" or (parts.scheme == "http" and port is not None and named in hosts)
    if parts.username is not None or not secure:
        return False
    return any(named == one or host.endswith(f".{one}") for one in hosts)
