"""The web chat as people use it: four tabs on a phone-sized screen, from the first word to the recognition."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.running import Bot
from tests.talks import photo

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it with: apt-get install chromium")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


def _context(browser: Browser, size: dict[str, int] | None = None) -> BrowserContext:
    return browser.new_context(viewport=size or PHONE, locale="vi-VN", reduced_motion="reduce")


class Tab:
    """One person's tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.set_default_timeout(15_000)
        page.goto(url)

    def press(self, label: str) -> None:
        """Presses the newest button with this label."""
        button = self.page.get_by_role("button", name=label, exact=True)
        expect(button.last).to_be_enabled(timeout=15_000)
        button.last.click()

    def say(self, words: str) -> None:
        self.page.get_by_label("Nhập tin nhắn").fill(words)
        self.page.keyboard.press("Enter")

    def sees(self, words: str) -> None:
        expect(self.page.locator("#log")).to_contain_text(words, timeout=15_000)

    def sees_at_the_end(self, words: str) -> None:
        expect(self.page.locator(".line.bot").last).to_contain_text(words, timeout=15_000)


def test_the_whole_way_in_four_tabs(bot: Bot, browser: Browser, tmp_path: Path) -> None:
    assert bot.links
    context = _context(browser)
    tabs = {role: Tab(context.new_page(), bot.links[role]) for role in ("branch", "association", "committee", "citizen")}
    for role, name in (("branch", "Trần Văn Hùng"), ("association", "Lê Thị Mai"), ("committee", "Phạm Quốc Bình")):
        tabs[role].sees_at_the_end("Họ và tên của đồng chí")
        tabs[role].say(name)
        tabs[role].sees_at_the_end("0 phiếu chờ")
    citizen = tabs["citizen"]
    _who(citizen)
    _answers(citizen, tmp_path)
    citizen.press("Xem kết quả")
    citizen.sees_at_the_end("tự chấm 83/100 điểm")
    citizen.press("Gửi cho chi hội")

    tabs["branch"].sees_at_the_end("Nguyễn Thị Lan, sinh 1954")
    tabs["branch"].press("Đọc phiếu")
    tabs["branch"].press("Xem minh chứng câu 1")
    expect(tabs["branch"].page.locator(".bubble img")).to_be_visible()
    tabs["branch"].press("Đề nghị bổ sung")
    tabs["branch"].press("Câu 2")
    tabs["branch"].press("Minh chứng chưa rõ, xin gửi lại.")
    citizen.sees_at_the_end("Minh chứng chưa rõ")
    citizen.press("Bổ sung ngay")
    citizen.press("Giữ nguyên, thêm minh chứng")
    citizen.say("Tôi đã học lớp trồng rau sạch ở nhà văn hóa tháng ba.")
    citizen.press("Xong, xem lại phiếu")
    citizen.press("Xem kết quả")
    citizen.press("Gửi cho chi hội")
    tabs["branch"].sees_at_the_end("Phiếu đã được bổ sung")
    tabs["branch"].press("Đề nghị công nhận")
    tabs["association"].sees_at_the_end("Nguyễn Thị Lan")
    tabs["association"].press("Thẩm định đạt")
    tabs["committee"].press("Công nhận")
    tabs["committee"].say("15/QĐ-UBND")
    tabs["committee"].say("02/01/2026")
    tabs["committee"].press("Đúng, công nhận")
    citizen.sees_at_the_end("Chúc mừng bác! Đã được công nhận theo Quyết định số 15/QĐ-UBND")
    context.close()


def test_a_dropped_connection_loses_nothing(bot: Bot, browser: Browser) -> None:
    """Words typed while the line is down arrive once; what was said meanwhile is there when the page opens again."""
    context = _context(browser)
    page = context.new_page()
    tab = Tab(page, f"http://localhost:{bot.port}/")
    tab.press("Bắt đầu")
    for _purpose in range(3):
        tab.press("Đồng ý")
    tab.press("bác")
    tab.sees_at_the_end("Họ và tên")
    bot.kill()
    expect(page.locator("#state")).to_have_text("Mất mạng, đang thử lại…")
    tab.say("Nguyễn Thị Lan")
    bot.start()
    tab.sees_at_the_end("Bác sinh năm nào")
    page.reload()
    tab.sees_at_the_end("Bác sinh năm nào")
    expect(page.locator(".line.me", has_text="Nguyễn Thị Lan")).to_have_count(1)
    expect(page.locator(".line.bot", has_text="Bác sinh năm nào")).to_have_count(1)
    context.close()


def test_keyboard_screen_reader_and_hostile_text(bot: Bot, browser: Browser) -> None:
    context = _context(browser, {"width": 320, "height": 560})
    page = context.new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    tab = Tab(page, f"http://localhost:{bot.port}/")
    tab.sees("Dạ, kính chào ông/bà")
    log = page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    page.get_by_role("button", name="Bắt đầu", exact=True).focus()
    page.keyboard.press("Enter")
    tab.sees_at_the_end("Để xét danh hiệu")
    tab.say("<img src=x onerror=alert(1)>" + "dài" * 300)
    tab.sees_at_the_end("Để xét danh hiệu")
    assert page.locator("#log img").count() == 0
    assert alerts == []
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, "the page scrolls sideways at 320 px"
    for size in page.eval_on_selector_all("button:not([hidden])", "nodes => nodes.map(n => n.getBoundingClientRect().height)"):
        assert size == 0 or size >= 44
    context.close()


def test_a_photo_that_is_none(bot: Bot, browser: Browser, tmp_path: Path) -> None:
    context = _context(browser)
    tab = Tab(context.new_page(), f"http://localhost:{bot.port}/?start=v-18685-001")
    _who(tab)
    tab.press("Công dân học tập")
    tab.press("Người dân trong xã")
    tab.press("Thường xuyên (8 điểm)")
    broken = tmp_path / "anh.jpg"
    broken.write_bytes(b"no picture")
    tab.page.locator("#file").set_input_files(broken)
    tab.sees_at_the_end("Trợ lý không mở được tệp này nên chưa lưu")
    huge = tmp_path / "to.jpg"
    huge.write_bytes(b"x" * (20 * 1024 * 1024 + 1))
    tab.page.locator("#file").set_input_files(huge)
    tab.sees("Tệp lớn quá 20 MB")
    context.close()


def _who(tab: Tab) -> None:
    tab.press("Bắt đầu")
    for _purpose in range(3):
        tab.press("Đồng ý")
    tab.press("bác")
    tab.sees_at_the_end("Họ và tên")
    tab.say("Nguyễn Thị Lan")
    tab.sees_at_the_end("sinh năm nào")
    tab.say("1954")
    tab.sees_at_the_end("Nơi ở là thôn Trung Tiến")
    tab.press("Đúng")
    tab.sees_at_the_end("chọn danh hiệu")


def _answers(tab: Tab, folder: Path) -> None:
    tab.press("Công dân học tập")
    tab.press("Người dân trong xã")
    picture = folder / "so-tay.jpg"
    picture.write_bytes(photo("so-tay.jpg", (640, 480)))
    for number in range(1, 11):
        tab.sees_at_the_end(f"Câu {number}/10")
        if number == 2 and (shot := Path(__file__).parent.parent.parent / "docs" / "chat.png") and not shot.exists():
            tab.page.screenshot(path=shot)
        tab.press(
            "Vừa đủ (5 điểm)" if number == 6 else "Thường xuyên (8 điểm)" if number < 8 else "Thành nếp, giúp người (10 điểm)"
        )
        tab.sees_at_the_end("minh chứng")
        if number == 1:
            tab.page.locator("#file").set_input_files(picture)
            tab.sees_at_the_end("Đã lưu ảnh")
            tab.press("Câu tiếp theo")
        else:
            tab.press("Chưa có, câu tiếp theo")
