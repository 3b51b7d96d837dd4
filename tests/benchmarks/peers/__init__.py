"""What a user could pick instead, each written as its own documentation shows, and the least that can be written by hand.

All ask the same: twelve questions with a row of buttons each, the answer kept, one call a turn.
"""

import os

QUESTIONS = 12
PORT = int(os.environ.get("HTTP_PORT", "0"))
API = os.environ.get("TELEGRAM_API_URL", "")
TOKEN = os.environ.get("TELEGRAM_BOT_TOKEN", "")
FOLDER = os.environ.get("DATA_DIR", ".")


def wording(number: int) -> str:
    """As long as one of ours."""
    steps = "\n".join(f"{step}. Mỗi tuần vài lần nghe loa xã hoặc xem thời sự trên ti vi." for step in range(1, 6))
    return f"Câu {number}/{QUESTIONS} · còn khoảng 6 phút\n\nTrong năm, bác có hay nghe loa xã, xem ti vi không?\n\n{steps}"


def choices(number: int) -> list[tuple[str, str]]:
    """Label and token of each step."""
    return [(f"Mức {step} ({step * 2} điểm)", f"a:{number}:{step}") for step in range(1, 6)]
