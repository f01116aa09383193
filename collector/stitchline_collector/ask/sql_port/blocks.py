"""The compressed blocks of ClickHouse's own clients: `compress=1` for answers, `decompress=1` for statements.

A block is the CityHash128 (version 1.0.2) of what follows it, a byte for the method, its compressed size with these nine bytes,
its size, and the data; numbers are little-endian (ClickHouse, `src/Compression/CompressedReadBufferBase.cpp`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

from ...engine import QueryError

_LZ4, _NONE = 0x82, 0x02
_HEAD = struct.Struct("<BII")
_HASH_BYTES = 16
_BLOCK_BYTES = 1024 * 1024
_CANNOT_DECOMPRESS = 271


class Blocks:
    """Compresses an answer block by block; what is small is gathered first."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def compress(self, data: bytes, /) -> bytes:
        """Take data, give the blocks that are full."""
        self._waiting += data
        full = len(self._waiting) // _BLOCK_BYTES * _BLOCK_BYTES
        ready = b"".join(
            block(self._waiting[begin : begin + _BLOCK_BYTES]) for begin in range(0, full, _BLOCK_BYTES)
        )
        del self._waiting[:full]
        return ready

    def flush(self) -> bytes:
        """Give the rest; nothing for no data."""
        rest = block(self._waiting) if self._waiting else b""
        self._waiting.clear()
        return rest


def block(data: bytes | bytearray) -> bytes:
    """Data as one block."""
    packed: bytes = lz4.block.compress(bytes(data), store_size=False)
    body = _HEAD.pack(_LZ4, _HEAD.size + len(packed), len(data)) + packed
    return _hash(body) + body


def unpack(body: bytes, limit: int) -> bytes:
    """Undo blocks.

    Args:
        body: Whole blocks, compressed by LZ4 or not at all.
        limit: The most bytes that may come out.

    Raises:
        QueryError: a block is torn, damaged, or of another method; or more than `limit` bytes would come out.
    """
    return b"".join(_unpacked(body, limit))


def _unpacked(body: bytes, limit: int) -> Iterator[bytes]:
    begin = 0
    while begin < len(body):
        head = begin + _HASH_BYTES
        if len(body) < head + _HEAD.size:
            raise QueryError("a compressed block is cut off", _CANNOT_DECOMPRESS)
        method, packed_size, size = _HEAD.unpack_from(body, head)
        end = head + packed_size
        if packed_size < _HEAD.size or len(body) < end:
            raise QueryError("a compressed block is cut off", _CANNOT_DECOMPRESS)
        limit -= size
        if limit < 0:
            raise QueryError("the statement is too large once it is unpacked", _CANNOT_DECOMPRESS)
        if _hash(body[head:end]) != body[begin:head]:
            raise QueryError("a compressed block is damaged: its checksum is another", _CANNOT_DECOMPRESS)
        yield _plain(body[head + _HEAD.size : end], method, size)
        begin = end


def _plain(packed: bytes, method: int, size: int) -> bytes:
    if method == _NONE:
        if len(packed) != size:
            raise QueryError("a block that is not compressed is not as long as it says", _CANNOT_DECOMPRESS)
        return packed
    if method != _LZ4:
        raise QueryError(
            f"blocks compressed by method 0x{method:02x} are not spoken, LZ4 is", _CANNOT_DECOMPRESS
        )
    try:
        return bytes(lz4.block.decompress(packed, uncompressed_size=size))
    except (lz4.block.LZ4BlockError, MemoryError) as error:
        raise QueryError(f"a compressed block is damaged: {error}", _CANNOT_DECOMPRESS) from None


def _hash(body: bytes) -> bytes:
    high, low = divmod(CityHash128(bytes(body)), 1 << 64)
    return struct.pack("<QQ", high, low)
