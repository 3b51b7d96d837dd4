"""aiogram 3 with its states in SQLite: as its documentation shows, with a storage of our own, for it brings none for SQLite."""

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.base import BaseStorage, StateType, StorageKey
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from tests.benchmarks.peers import API, FOLDER, PORT, QUESTIONS, TOKEN, choices, wording


class Kept(BaseStorage):
    """State and data of each chat in a row, one commit a change."""

    def __init__(self) -> None:
        self.database = sqlite3.connect(Path(FOLDER) / "aiogram.sqlite3", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=NORMAL")
        self.database.execute("CREATE TABLE talk (chat INTEGER PRIMARY KEY, state TEXT, data TEXT NOT NULL DEFAULT '{}')")

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        value = state.state if isinstance(state, State) else state
        keep = "INSERT INTO talk (chat, state) VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state"
        self.database.execute(keep, (key.chat_id, value))

    async def get_state(self, key: StorageKey) -> str | None:
        row = self.database.execute("SELECT state FROM talk WHERE chat = ?", (key.chat_id,)).fetchone()
        return row[0] if row else None

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        keep = "INSERT INTO talk (chat, data) VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"
        self.database.execute(keep, (key.chat_id, orjson.dumps(data).decode()))

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        row = self.database.execute("SELECT data FROM talk WHERE chat = ?", (key.chat_id,)).fetchone()
        return orjson.loads(row[0]) if row else {}

    async def close(self) -> None:
        self.database.close()


class Talk(StatesGroup):
    pass


STATES = [State(f"q{number}", "Talk") for number in range(QUESTIONS + 1)]


def _keyboard(number: int) -> InlineKeyboardMarkup:
    rows = [[InlineKeyboardButton(text=label, callback_data=token)] for label, token in choices(number)]
    return InlineKeyboardMarkup(inline_keyboard=rows)


async def begin(message: Message, state: FSMContext) -> None:
    await state.set_state(STATES[1])
    await message.answer(wording(1), reply_markup=_keyboard(1))


async def answered(query: CallbackQuery, state: FSMContext) -> None:
    assert query.data and isinstance(query.message, Message)
    _answer, asked, step = query.data.split(":")
    await state.update_data({asked: step})
    following = int(asked) % QUESTIONS + 1
    await state.set_state(STATES[following])
    await query.message.edit_text(wording(following), reply_markup=_keyboard(following))


async def serve() -> None:
    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(API)))
    dispatcher = Dispatcher(storage=Kept())
    dispatcher.message.register(begin)
    for number in range(1, QUESTIONS + 1):
        dispatcher.callback_query.register(answered, STATES[number], F.data.startswith(f"a:{number}:"))

    async def alive(request: web.Request) -> web.Response:
        return web.Response()

    served = web.Application()
    SimpleRequestHandler(dispatcher, bot, handle_in_background=True).register(served, "/telegram/webhook")
    served.router.add_get("/healthz", alive)
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
