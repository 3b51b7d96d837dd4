"""The baseline: a webhook that stores one row in SQLite and sends one message; no rights, words, events or retries."""

import os
import sqlite3
from pathlib import Path

import aiohttp
from aiohttp import web


async def serve() -> web.Application:
    database = sqlite3.connect(Path(os.environ["DATA_DIR"]) / "bare.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE answer (chat INTEGER PRIMARY KEY, said TEXT)")
    http = aiohttp.ClientSession()
    call = f"{os.environ['TELEGRAM_API_URL']}/bot{os.environ['TELEGRAM_BOT_TOKEN']}/sendMessage"

    async def webhook(request: web.Request) -> web.Response:
        update = await request.json()
        chat = (update.get("message") or update["callback_query"]["message"])["chat"]["id"]
        database.execute("REPLACE INTO answer VALUES (?, ?)", (chat, str(update["update_id"])))
        async with http.post(call, json={"chat_id": chat, "text": "Câu 1/10"}) as answer:
            await answer.read()
        return web.Response()

    async def alive(request: web.Request) -> web.Response:
        return web.Response()

    async def close(app: web.Application) -> None:
        await http.close()
        database.close()

    app = web.Application()
    app.add_routes([web.post("/telegram/webhook", webhook), web.get("/healthz", alive)])
    app.on_cleanup.append(close)
    return app


if __name__ == "__main__":
    web.run_app(serve(), host="127.0.0.1", port=int(os.environ["HTTP_PORT"]), print=None, access_log=None)
