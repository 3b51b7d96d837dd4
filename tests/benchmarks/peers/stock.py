"""Stock python-telegram-bot: ConversationHandler of twelve states with PicklePersistence, behind a webhook.

`--sqlmodel` keeps each answer by a commit of SQLModel's as well.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import Engine, event
from sqlmodel import Field, Session, SQLModel, create_engine
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    PicklePersistence,
    filters,
)  # fmt: skip

from tests.benchmarks.peers import API, FOLDER, PORT, QUESTIONS, TOKEN, choices, wording

Context = ContextTypes.DEFAULT_TYPE


class Answer(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    chat: int = Field(index=True)
    question: str
    step: str


def _engine() -> Engine:
    engine = create_engine(f"sqlite:///{FOLDER}/stock.sqlite3")

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    SQLModel.metadata.create_all(engine, [SQLModel.metadata.tables["answer"]])
    return engine


def _keyboard(number: int) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=token)] for label, token in choices(number)])


async def begin(update: Update, context: Context) -> int:
    assert update.message
    await update.message.reply_text(wording(1), reply_markup=_keyboard(1))
    return 1


async def answered(update: Update, context: Context, number: int, engine: Engine | None) -> int:
    query = update.callback_query
    assert query and query.data and query.message and context.user_data is not None
    _answer, asked, step = query.data.split(":")
    context.user_data[asked] = step
    if engine:
        with Session(engine) as session:
            session.add(Answer(chat=query.message.chat.id, question=asked, step=step))
            session.commit()
    following = number % QUESTIONS + 1
    await query.edit_message_text(wording(following), reply_markup=_keyboard(following))
    return following


async def serve(engine: Engine | None) -> None:
    kept = PicklePersistence(Path(FOLDER) / "stock.pickle")
    app = Application.builder().token(TOKEN).base_url(f"{API}/bot").persistence(kept).updater(None).build()
    states: dict[object, list[Any]] = {
        number: [CallbackQueryHandler(partial(answered, number=number, engine=engine), pattern=f"^a:{number}:")]
        for number in range(1, QUESTIONS + 1)
    }
    entry = [CommandHandler("start", begin), MessageHandler(filters.TEXT, begin)]
    app.add_handler(ConversationHandler(entry, states, entry, name="talk", persistent=True))

    async def webhook(request: web.Request) -> web.Response:
        await app.update_queue.put(Update.de_json(await request.json(), app.bot))
        return web.Response()

    async def alive(request: web.Request) -> web.Response:
        return web.Response()

    served = web.Application()
    served.add_routes([web.post("/telegram/webhook", webhook), web.get("/healthz", alive)])
    runner = web.AppRunner(served, access_log=None)
    async with app:
        await app.start()
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(_engine() if "--sqlmodel" in sys.argv else None))
