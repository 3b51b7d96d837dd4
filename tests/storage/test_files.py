"""The file store: the original as it came, a picture without its position, and nothing that is not what it says."""

import asyncio
import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from storage.files import FileStore, NotReadable
from tests.talks import photo


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


async def test_the_original_is_kept_to_the_byte(files: FileStore) -> None:
    content = photo("lop-hoc.jpg")
    kept = await files.keep(content)
    assert (kept.media_type, kept.size, kept.sha256) == ("image/jpeg", len(content), hashlib.sha256(content).hexdigest())
    assert files.original(kept.sha256).read_bytes() == content


async def test_what_is_shown_is_upright_and_without_its_position(files: FileStore) -> None:
    content = photo("lop-hoc.jpg", (640, 480))
    with Image.open(io.BytesIO(content)) as original:
        assert original.getexif().get_ifd(0x8825), "the sample has a position, or this test shows nothing"
    kept = await files.keep(content)
    with Image.open(files.preview(kept.sha256)) as shown:
        assert not shown.getexif() and "exif" not in shown.info
        assert shown.size == (480, 640)


async def test_a_large_picture_is_shown_smaller(files: FileStore) -> None:
    kept = await files.keep(photo("to.jpg", (4000, 3000)))
    with Image.open(files.preview(kept.sha256)) as shown:
        assert max(shown.size) == 1600


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7 x", "application/pdf"),
        (zipped("word/document.xml"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1x", "application/msword"),
    ],
)
async def test_documents(files: FileStore, content: bytes, media_type: str) -> None:
    assert (await files.keep(content)).media_type == media_type


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture at all", b"<svg onload=alert(1)>", photo("a.jpg")[:200], zipped("xl/workbook.xml"), b"PK\x03\x04 broken"],
    ids=["empty", "text", "svg", "half a picture", "a table", "half an archive"],
)
async def test_anything_else_leaves_nothing_behind(files: FileStore, content: bytes) -> None:
    with pytest.raises(NotReadable):
        await files.keep(content)
    assert not [path for path in files.folder.rglob("*") if path.is_file()]


async def test_a_picture_that_would_fill_the_memory_is_refused(files: FileStore) -> None:
    """A few kilobytes of PNG may be a gigabyte of pixels; a JPEG is read at a fraction of its size."""
    for side in (20_000, 10_000):
        bomb = io.BytesIO()
        Image.new("1", (side, side)).save(bomb, "PNG")
        with pytest.raises(NotReadable):
            await files.keep(bomb.getvalue())
    large = io.BytesIO()
    Image.new("L", (10_000, 10_000)).save(large, "JPEG")
    assert (await files.keep(large.getvalue())).media_type == "image/jpeg"


async def test_the_same_content_from_many_at_once_is_kept_once(files: FileStore) -> None:
    contents = [photo("mot.jpg", (800, 600))] * 20
    kept = await asyncio.gather(*(files.keep(content) for content in contents))
    assert len({one.sha256 for one in kept}) == 1
    assert len([path for path in files.folder.rglob("*") if path.is_file()]) == 2
