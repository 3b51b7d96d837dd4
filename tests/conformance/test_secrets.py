"""The whole bot as an operator starts it, on every channel at once, in good and bad moments: no secret in its log or figures."""

import asyncio
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.app import prepare
from bot.channels.zalooa_tokens import Tokens
from storage.database import Database
from tests.channels import telegram_api, zalobot_api, zalooa_api
from tests.channels.listening import SECRET
from tests.running import Bot, free_port

WORDS = "Nguyễn Thị Sáu rất bí mật"


async def test_no_secret_is_written_down(tmp_path: Path) -> None:
    async with (
        telegram_api.TelegramApi.open() as telegram,
        zalobot_api.ZaloBotApi.open() as zalobot,
        zalooa_api.ZaloOaApi.open() as zalooa,
    ):
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        zalooa.webhook = f"{base}/zalooa/webhook"
        await consented(tmp_path, zalooa)
        settings = {
            "PUBLIC_URL": base, "SECRET_KEY": "k" * 40, "LOG_LEVEL": "DEBUG", "MESSAGES_PER_MINUTE": "600",
            "TELEGRAM_BOT_TOKEN": telegram_api.TOKEN, "TELEGRAM_API_URL": telegram.url, "TELEGRAM_WEBHOOK_SECRET": SECRET,
            "ZALO_BOT_TOKEN": zalobot_api.TOKEN, "ZALO_BOT_API_URL": zalobot.url, "ZALO_BOT_WEBHOOK_SECRET": SECRET,
            "ZALO_OA_APP_ID": zalooa_api.APP_ID, "ZALO_OA_APP_SECRET": zalooa_api.APP_SECRET,
            "ZALO_OA_SECRET_KEY": zalooa_api.SECRET_KEY, "ZALO_OA_API_URL": zalooa.url, "ZALO_OAUTH_URL": zalooa.url,
        }  # fmt: skip
        bot = Bot(tmp_path, port, settings)
        await asyncio.to_thread(bot.start)
        try:
            people = [telegram.person(7), zalobot.person("An"), zalooa.person("An")]
            for person in people:
                await person.says("xin chào")
                await person.waits_for("kính chào")
            telegram.fail_next("sendMessage", 401, "Unauthorized")
            telegram.fail_next("sendMessage", 500, f"trouble at bot{telegram_api.TOKEN}")
            for failure in ("cut", zalobot_api.Refused(401, f"no {zalobot_api.TOKEN}"), zalobot_api.Refused(429, "Quota exceeded")):
                zalobot.fail_next("sendMessage", failure)
            for refusal in ("cut", zalooa_api.Refused(-321, "no money"), zalooa_api.Refused(-216), "away"):
                zalooa.fail_next("/v3.0/oa/message/cs", refusal)
            for person in people:
                for _number in range(6):
                    await person.says(WORDS)
            for api in (telegram, zalobot, zalooa):
                await api.all_heard(15)
            await zalooa.until(lambda: zalooa.refreshed, lambda: "the next keys", 15)
            figures = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{base}/metrics").read().decode())
        finally:
            await asyncio.to_thread(bot.stop)
        written = bot.output() + figures
    secrets = [telegram_api.TOKEN, zalobot_api.TOKEN, zalooa_api.APP_SECRET, zalooa_api.SECRET_KEY, SECRET, "k" * 40]
    secrets += [secret.partition(":")[2] for secret in secrets if ":" in secret] + ["access-0", "refresh-0", WORDS, "bí mật"]
    assert [secret for secret in secrets if secret in written] == []
    assert 'bot_turns_total{channel="zalooa",outcome=' in figures
    assert "token_refused" in written and "operator_needed" in written, "the bad moments were there"


async def consented(folder: Path, api: zalooa_api.ZaloOaApi) -> None:
    """The Official Account's keys are there, as `zalo connect` leaves them."""
    now = datetime.now(UTC) - timedelta(hours=1)
    database = Database(f"sqlite:///{folder}/bot.sqlite3")
    await prepare(database, now)
    keys = Tokens(database, zalooa_api.APP_ID, zalooa_api.APP_SECRET, api.url, lambda: now)
    verifier = "v" * 43
    await keys.exchange(api.consent(zalooa_api.challenge_of(verifier)), verifier)
    await database.close()
