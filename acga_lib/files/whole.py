"""Whether a video file is all there: its own header says how many bytes it has.

A decoder takes a file that was cut off for one that ends there, without a word. The three families
of containers that state a size are asked for it: Matroska and WebM, mp4 and mov, AVI.
"""

import os
from pathlib import Path
from typing import BinaryIO

from acga_lib.errors import DataError

#: The first bytes of Matroska and WebM, and of the element that holds all but the first.
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
#: The parts of which an mp4 or a mov consists; anything else is no part, and says no size.
BOXES = frozenset(
    b"ftyp moov mdat free skip wide pnot moof mfra sidx styp uuid meta emsg prft".split()
)


def hold_whole(path: Path) -> None:
    """Raise DataError where the file ends before its own header says."""
    with path.open("rb") as file:
        there = file.seek(0, os.SEEK_END)
        stated = _stated(file, there)
    if stated > there:
        raise DataError(f"{path}: is cut off after {there:,} of {stated:,} bytes: fetch it again")


def _stated(file: BinaryIO, there: int) -> int:
    """How many bytes the file says it has, at least; 0 where it does not say."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == EBML:
        return _matroska(file)
    if head[4:8] in BOXES:
        return _boxes(file, there)
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return int.from_bytes(head[4:8], "little")  # and these 8 bytes, which some count twice
    return 0


def _matroska(file: BinaryIO) -> int:
    file.seek(4)
    length = _number(file)
    file.seek(length or 0, os.SEEK_CUR)
    if length is None or file.read(4) != SEGMENT:
        return 0
    length = _number(file)
    return 0 if length is None else file.tell() + length


def _number(file: BinaryIO) -> int | None:
    """A size as Matroska writes it: leading zeros of the first byte count the bytes that follow.

    None where it is unknown (all ones: a recording that was streamed), or not there.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    number = int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)
    return None if number == (1 << 7 * (more + 1)) - 1 else number


def _boxes(file: BinaryIO, there: int) -> int:
    """Where the last box ends. Each says its size; 0 is "to the end", 1 "more than 4 bytes"."""
    end = 0
    while end < there:
        file.seek(end)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if head[4:8] not in BOXES or size < 8:
            return end
        end += size
    return end
