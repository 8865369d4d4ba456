"""Public weights and word vectors by name.

`make weights`, or `python -m acga_lib.files.downloads [names]`.

pooch fetches to a temporary name, checks the hash, moves the file to its place and tries again
where a connection broke; `Resumable` is what it lacks, to go on where an earlier attempt stopped.
The sha256 of every file that arrived is kept beside it (`<file>.sha256`, as sha256sum writes it)
and checked whenever the file is loaded. For files whose publisher gives no hash, it is the first
download that later ones are held against; the first is held against its known size and kind, so
that no login page becomes the measure.
"""

import argparse
import os
import re
import stat
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import requests
import urllib3
from pooch.hashes import hash_matches
from tqdm.auto import tqdm

from acga_lib.config import ROOT
from acga_lib.errors import DataError, DownloadError
from acga_lib.files.locks import locked
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.hashes import recorded_hash
from acga_lib.parameters import choose
from acga_lib.published import DOWNLOADS, PAPER, Download

DATA = ROOT / "data"
#: How far a file's size may be from `Download.megabytes`, which is rounded.
TOLERANCE = 0.05
#: How files begin, by the end of their names: PyTorch's zip and its older pickle, and gzip.
_TORCH = (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
BEGINNINGS = {".pt": _TORCH, ".pth": _TORCH, ".gz": (b"\x1f\x8b",)}
#: Content-Range of an answer 206: first byte, last byte, all bytes.
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")


def fetch(name: str, *, data: Path = DATA, retries: int = 3, progress: bool = True) -> Path:
    """Fetch the file `name` of `DOWNLOADS` to its place under `data` -> its path.

    A file that is there already, by hand or by an earlier call, is checked and kept. Several
    processes may ask for the same file.

    Raises:
        ConfigError: an unknown name.
        DownloadError: it cannot be fetched, or what is there is not the published file.
    """
    download: Download = choose("download", DOWNLOADS, name)
    path = data / download.file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(path.name + ".lock")):
            hashes = download.hashes or _first_hash(path)
            if not path.is_file():
                _fetch(download, path, hashes[:1], retries=retries, progress=progress)
            elif hashes and not any(hash_matches(path, known) for known in hashes):
                raise DownloadError(
                    f"{path}: is there, but is not the published file ({' or '.join(hashes)}): "
                    "damaged, or another one. Delete it or move it away, then run this again"
                )
            elif not hashes and (wrong := _unlike(path, download)):
                raise DownloadError(
                    f"{path}: is there, but {wrong}. Delete it or move it away, then run this again"
                )
            record = path.with_name(path.name + ".sha256")
            write_text(record, f"{pooch.file_hash(path)}  {path.name}\n")
    except OSError as error:
        raise DownloadError(
            f"{path}: cannot be written ({error}): make room or give access, then run this again; "
            "it goes on where it stopped"
        ) from error
    return path


def _fetch(
    download: Download, path: Path, hashes: tuple[str, ...], *, retries: int, progress: bool
) -> None:
    """Fetch a missing file. hashes: what it must have, at most one."""
    part = path.with_name(path.name + ".part")
    store = pooch.create(
        path=path.parent, base_url="", registry={path.name: hashes[0] if hashes else None},
        urls={path.name: download.url}, retry_if_failed=retries,
    )  # fmt: skip
    downloader = Resumable(part, download, hashed=bool(hashes), progress=progress)
    by_hand = (
        f"Or fetch {download.url} ({download.megabytes} MB) by other means, for example on another "
        f"machine, and put it at {path}"
    )
    try:
        store.fetch(path.name, downloader=downloader)
    except requests.RequestException as error:
        kept = f"{part.stat().st_size:,} bytes are kept; " if part.exists() else ""
        raise DownloadError(
            f"{path}: {download.url} could not be fetched ({error}). {kept}run this again when "
            f"the address can be reached, and it goes on where it stopped. {by_hand}"
        ) from error
    except ValueError as error:  # pooch: the hash differs
        raise DownloadError(
            f"{path}: {download.url} sends another file than the published one "
            f"({', '.join(hashes)}), or it is altered on the way; nothing of it was kept. "
            f"Try again later. {by_hand}"
        ) from error
    except DownloadError as error:
        raise DownloadError(f"{path}: {error}. {by_hand}") from error


def _first_hash(path: Path) -> tuple[str, ...]:
    """The hash of an earlier download, as pooch writes it, where the publisher gives none."""
    try:
        recorded = recorded_hash(path)
    except DataError as error:
        raise DownloadError(str(error)) from error
    return (f"sha256:{recorded}",) if recorded else ()


def _has_size(size: int, download: Download) -> bool:
    return abs(size / 1e6 - download.megabytes) <= TOLERANCE * download.megabytes


def _unlike(path: Path, download: Download) -> str | None:
    """What tells a file from the published one by size and kind, in words; None where it fits."""
    if not _has_size(path.stat().st_size, download):
        return f"has {path.stat().st_size:,} bytes, and the published file {download.megabytes} MB"
    with path.open("rb") as file:
        begins = file.read(16)
    wanted = BEGINNINGS.get(Path(download.file).suffix, (b"",))
    return None if begins.startswith(wanted) else f"begins with {begins!r}, as no such file does"


def _hold_own(part: Path) -> None:
    """Raise DownloadError where writing to `part` would write to another file, or wait for ever."""
    try:
        found = part.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise DownloadError(
            f"{part} is a link to another file or no file at all, and the download would be "
            "written there: delete it, then run this again"
        )


class Resumable:
    """A downloader for pooch that keeps what arrived in `part` and goes on from there.

    hashed: pooch knows the file's hash. Where it does not, an answer without a length, which could
    end too early unnoticed, is refused, and so is a file unlike the published one.
    """

    def __init__(self, part: Path, download: Download, *, hashed: bool, progress: bool) -> None:
        self.part, self.download, self.hashed, self.progress = part, download, hashed, progress

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        """Fetch `url` to `output_file`.

        Raises requests.RequestException where it breaks off and a further attempt may help, and
        DownloadError where none would.
        """
        _hold_own(self.part)
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            told = answer.headers.get("Content-Range", "")
            ended = bool(have) and answer.status_code == 416 and told == f"bytes */{have}"
            span = _span(told) if answer.status_code == 206 else None
            goes_on = span is not None and span[0] == have
            if have and answer.status_code in (206, 416) and not (ended or goes_on):
                self.part.unlink()  # not a beginning of what lies there now
                return self(url, output_file)
            if not ended:
                total = span[1] if span else _length(answer)
                self._hold_usable(answer, goes_on, total)
                self._receive(answer, have if goes_on else 0, total)
        if not self.hashed and (wrong := _unlike(self.part, self.download)):
            self.part.unlink()
            raise DownloadError(f"{url} sends another file: it {wrong}. Nothing of it was kept")
        os.replace(self.part, output_file)
        return None

    def _hold_usable(self, answer: requests.Response, goes_on: bool, total: int | None) -> None:
        """Raise for an answer that is not the file, before anything that is kept is touched."""
        status, says = answer.status_code, f"{answer.url} answers {answer.status_code}"
        if status >= 500:
            answer.raise_for_status()
        if status == 206 and not goes_on:
            raise DownloadError(f"{says} with a part of the file that was not asked for")
        if status not in (200, 206):
            raise DownloadError(f"{says} {answer.reason}: the file has moved or is not given out")
        if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise DownloadError(f"{says} with a web page, perhaps of a login, instead of the file")
        if total is None and not self.hashed:
            raise DownloadError(
                f"{says} and does not say how long the file is, and no hash of it is known: a part "
                "could pass for the whole"
            )
        if total is not None and not _has_size(total, self.download):
            raise DownloadError(
                f"{says} with {total:,} bytes, and the file has {self.download.megabytes} MB"
            )

    def _receive(self, answer: requests.Response, have: int, total: int | None) -> None:
        """Write the body behind the first `have` bytes of the part; `total`: of the whole file."""
        bar = tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=self.part.stem,
            disable=not self.progress,
        )  # fmt: skip
        most = (1 + TOLERANCE) * 1e6 * self.download.megabytes
        with bar, open(self.part, "ab" if have else "wb") as file:
            try:
                for block in answer.raw.stream(1 << 20, decode_content=False):
                    if file.tell() + len(block) > most:
                        file.truncate(0)
                        raise DownloadError(
                            f"{answer.url} does not end: more than {most:,.0f} bytes came, and the "
                            f"file has {self.download.megabytes} MB"
                        )
                    file.write(block)
                    bar.update(len(block))
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(f"the connection broke off: {error}") from error
            file.flush()
            os.fsync(file.fileno())
            if total is not None and file.tell() != total:
                raise requests.ConnectionError(f"{file.tell()} of {total} bytes arrived")


def _span(told: str) -> tuple[int, int | None] | None:
    """A Content-Range -> its first byte and the file's length if told; None if it is nonsense."""
    found = _RANGE.fullmatch(told)
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    sound = first <= last and (total is None or last < total)
    return (first, total) if sound else None


def _length(answer: requests.Response) -> int | None:
    """Content-Length; None where there is none, or none that is a number."""
    told = answer.headers.get("Content-Length", "")
    return int(told) if re.fullmatch("[0-9]{1,15}", told) else None


def main(arguments: list[str] | None = None) -> int:
    """Command line; fetches every file that it can and returns 1 where one is missing."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.files.downloads")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"any of {', '.join(DOWNLOADS)}; without a name, "
        f"what profile 'paper' needs: {', '.join(PAPER)}",
    )  # fmt: skip
    names = parser.parse_args(arguments).names or PAPER
    return max([run_command(name, partial(_here, name)) for name in names])


def _here(name: str) -> str:
    return f"here    {name}: {fetch(name)}"


if __name__ == "__main__":
    sys.exit(main())
