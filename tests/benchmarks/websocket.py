"""As little of a WebSocket as a load needs: texts both ways, packed as browsers pack them, and pings answered."""

import zlib
from collections.abc import Callable

from tests.benchmarks.wire import Line, status

TEXT, PING, PONG = 1, 9, 10
WHOLE, PACKED, MASKED = 0x80, 0x40, 0x80  # bits of a frame's first byte, and of its second
FLUSHED = b"\x00\x00\xff\xff"  # ends every packed text, and is not sent
NO_MASK = bytes(4)  # a client must mask; with this the bytes stay as they are
HANDSHAKE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    # Every browser offers it, so what it costs the server belongs to a turn.
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}  # fmt: skip


class WebSocket(Line):
    """One connection: requests until it is opened, then texts, of which each that arrives is given to `heard`."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        super().__init__()
        self.heard, self.opened, self.packs = heard, False, False

    async def get(self, path: str, headers: dict[str, str]) -> bytes:
        """The head of the answer. Raises ConnectionResetError."""
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return await self.ask("\r\n".join([*lines, "", ""]).encode())

    async def open(self, path: str, headers: dict[str, str]) -> None:
        """From now on there are texts. Raises AssertionError where the server does not agree, or ConnectionResetError."""
        head = await self.get(path, headers | HANDSHAKE)
        assert status(head) == 101, head
        self.opened, self.packs = True, b"permessage-deflate" in head
        # A small window: thousands of them are open at once.
        self.packer, self.unpacker = zlib.compressobj(wbits=-9, memLevel=1), zlib.decompressobj(-zlib.MAX_WBITS)

    def send(self, text: bytes) -> None:
        if not self.packs:
            return self._frame(TEXT, text)
        packed = self.packer.compress(text) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self._frame(PACKED | TEXT, packed.removesuffix(FLUSHED))

    def _frame(self, kind: int, content: bytes) -> None:
        size = len(content)
        length = bytes([MASKED | size]) if size < 126 else bytes([MASKED | 126]) + size.to_bytes(2)
        self.write(bytes([WHOLE | kind]) + length + NO_MASK + content)

    def data_received(self, data: bytes) -> None:
        if not self.opened:
            return super().data_received(data)
        self.buffer += data
        while frame := self._cut():
            self._take(*frame)

    def _cut(self) -> tuple[int, bytes] | None:
        """The first byte and the content of the next frame, if it is there as a whole. A server's is not masked."""
        if len(self.buffer) < 2:
            return None
        size, begins = self.buffer[1], 2
        if size > 125:
            begins = 4 if size == 126 else 10
            size = int.from_bytes(self.buffer[2:begins])
        if len(self.buffer) < begins + size:
            return None
        frame = self.buffer[0], bytes(self.buffer[begins : begins + size])
        del self.buffer[: begins + size]
        return frame

    def _take(self, first: int, content: bytes) -> None:
        if first & 0x0F == TEXT:
            self.heard(self.unpacker.decompress(content + FLUSHED) if first & PACKED else content)
        elif first & 0x0F == PING:
            self._frame(PONG, content)
