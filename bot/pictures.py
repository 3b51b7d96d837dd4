"""A stored file as a channel shows it."""

from typing import Any

from bot.channels import Attachment
from storage.files import DOCUMENTS, FileStore


def attachment(files: FileStore, attached: dict[str, Any]) -> Attachment:
    """A document as it is, a picture as its preview, which bears no place."""
    sha256, media_type = attached["sha256"], attached["media_type"]
    document = media_type in DOCUMENTS.values()
    path = files.original(sha256) if document else files.preview(sha256)
    name = attached["name"] or ("tep" if document else "anh.jpg")
    return Attachment("file" if document else "photo", path.read_bytes(), name, media_type if document else "image/jpeg", sha256)
