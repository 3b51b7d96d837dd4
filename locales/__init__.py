"""What the bot says: texts that become words only for a known reader."""

from locales.text import Joined, Kept, Reader, Text, Words, _, join, plain

__all__ = ["Joined", "Kept", "Reader", "Text", "Words", "_", "join", "plain"]
