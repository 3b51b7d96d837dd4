"""What the bot says: texts that become words only for a known reader."""

from locales.text import Joined, Reader, Text, Words, _, join, plain

__all__ = ["Joined", "Reader", "Text", "Words", "_", "join", "plain"]
