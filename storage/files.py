"""The file store: evidence under its SHA-256, the original as it came, and a preview without its position."""

import asyncio
import hashlib
import io
import os
import secrets
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST = 20 * 1024 * 1024  # bytes
PREVIEW_SIDE = 1600  # pixels
# What the best phones' cameras make. A JPEG is read at a fraction of its size, the others whole: 4 bytes a pixel.
MOST_PIXELS = {"JPEG": 120_000_000, "PNG": 30_000_000, "WEBP": 30_000_000}
Image.MAX_IMAGE_PIXELS = max(MOST_PIXELS.values())
IMAGES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
DOCUMENTS = {
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": DOCX,
    b"\xd0\xcf\x11\xe0": "application/msword",
}


class NotReadable(Exception):
    """The bytes are neither a picture nor a document that we take."""


class FilesAway(Exception):
    """The file cannot be stored or read now: the disk is full, or not there."""


@dataclass(frozen=True)
class Kept:
    sha256: str
    media_type: str
    size: int


class FileStore:
    """Keeps files in a folder; the same content is kept once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # One picture in memory at a time: a small server has room for that.
        self._one = asyncio.Semaphore(1)

    async def keep(self, content: bytes) -> Kept:
        """Stores the original durably, and a preview if it is a picture. Raises NotReadable or FilesAway."""
        async with self._one:
            try:
                return await asyncio.to_thread(self._keep, content)
            except OSError as error:
                raise FilesAway(error.strerror) from error

    def original(self, sha256: str) -> Path:
        return self.folder / "originals" / sha256[:2] / sha256

    def preview(self, sha256: str) -> Path:
        """What is shown of a picture: upright, smaller, without EXIF."""
        return self.folder / "previews" / sha256[:2] / f"{sha256}.jpg"

    def read(self, path: Path) -> bytes:
        """What was kept there. Raises FilesAway where it cannot be read now, FileNotFoundError where this file alone is gone."""
        try:
            return path.read_bytes()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.folder.exists():
                raise
            raise FilesAway(error.strerror) from error

    def _keep(self, content: bytes) -> Kept:
        sha256 = hashlib.sha256(content).hexdigest()
        media_type = _document(content)
        if media_type is None:
            media_type, preview = _preview(content)
            _write(self.preview(sha256), preview)
        _write(self.original(sha256), content)
        return Kept(sha256, media_type, len(content))


def _document(content: bytes) -> str | None:
    kind = next((kind for mark, kind in DOCUMENTS.items() if content.startswith(mark)), None)
    if kind == DOCX:
        # Every archive begins alike.
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.getinfo("word/document.xml")
        except (zipfile.BadZipFile, KeyError) as error:
            raise NotReadable(type(error).__name__) from error
    return kind


def _preview(content: bytes) -> tuple[str, bytes]:
    try:
        with Image.open(io.BytesIO(content), formats=list(IMAGES)) as image:
            if image.width * image.height > MOST_PIXELS[image.format or ""]:
                raise NotReadable("too many pixels")
            kind = IMAGES[image.format or ""]
            image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise NotReadable(type(error).__name__) from error
    shown = io.BytesIO()
    # A fresh image: nothing of the original's metadata comes along.
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    clean.save(shown, "JPEG", quality=82)
    return kind, shown.getvalue()


def _write(path: Path, content: bytes) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        # Half a file would take the room that is wanted for the whole one.
        part.unlink(missing_ok=True)
        raise
    # The name is safe when its folder is.
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
