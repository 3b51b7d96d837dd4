"""The hand-written limit: aiohttp, uvloop, orjson, one SQLite commit, one call; no rights, words, events or retries."""

import asyncio
import sqlite3
from pathlib import Path

import aiohttp
import orjson
import uvloop
from aiohttp import web

from tests.benchmarks.peers import API, FOLDER, PORT, QUESTIONS, TOKEN, choices, wording


async def serve() -> web.Application:
    database = sqlite3.connect(Path(FOLDER) / "limit.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE talk (chat INTEGER PRIMARY KEY, number INTEGER, answers TEXT)")
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))
    calls: set[asyncio.Task[None]] = set()

    async def call(method: str, values: dict[str, object]) -> None:
        async with http.post(f"{API}/bot{TOKEN}/{method}", data=orjson.dumps(values), headers=JSON) as answer:
            await answer.read()

    async def webhook(request: web.Request) -> web.Response:
        update = orjson.loads(await request.read())
        query = update.get("callback_query")
        message = query["message"] if query else update["message"]
        chat = message["chat"]["id"]
        row = database.execute("SELECT number, answers FROM talk WHERE chat = ?", (chat,)).fetchone()
        number, answers = (row[0], orjson.loads(row[1])) if row else (0, {})
        if query:
            _answer, asked, step = query["data"].split(":")
            answers[asked] = step
        following = number % QUESTIONS + 1
        database.execute("REPLACE INTO talk VALUES (?, ?, ?)", (chat, following, orjson.dumps(answers).decode()))
        rows = [[{"text": label, "callback_data": token}] for label, token in choices(following)]
        values = {"chat_id": chat, "text": wording(following), "reply_markup": {"inline_keyboard": rows}}
        if query:
            values["message_id"] = message["message_id"]
        task = asyncio.create_task(call("editMessageText" if query else "sendMessage", values))
        calls.add(task)
        task.add_done_callback(calls.discard)
        return web.Response()

    async def alive(request: web.Request) -> web.Response:
        return web.Response()

    async def close(app: web.Application) -> None:
        await http.close()

    app = web.Application()
    app.on_cleanup.append(close)
    app.add_routes([web.post("/telegram/webhook", webhook), web.get("/healthz", alive)])
    return app


JSON = {"Content-Type": "application/json"}

if __name__ == "__main__":
    web.run_app(serve(), host="127.0.0.1", port=PORT, print=None, access_log=None, loop=uvloop.new_event_loop())
