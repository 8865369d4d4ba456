"""Public weights and word vectors by name.

`make weights`, or `python -m acga_lib.files.downloads [names]`.

pooch fetches to a temporary name, checks the hash, moves the file to its place and tries again
where a connection broke; `Resumable` is what it lacks, to go on where an earlier attempt stopped.
The sha256 of every file that arrived is kept beside it (`<file>.sha256`, as sha256sum writes it)
and checked whenever the file is loaded. For files whose publisher gives no hash, it is the first
download that later ones are held against.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import pooch
import requests
import urllib3
from filelock import FileLock
from pooch.hashes import hash_matches
from tqdm.auto import tqdm

from acga_lib.config import ROOT, choose
from acga_lib.errors import DownloadError, KitError
from acga_lib.files.records import write_text
from acga_lib.published import DOWNLOADS, PAPER, Download
from acga_lib.weights import recorded_hash

DATA = ROOT / "data"


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
        with FileLock(path.with_name(path.name + ".lock")):
            recorded = recorded_hash(path)
            hashes = download.hashes or ((f"sha256:{recorded}",) if recorded else ())
            if not path.is_file():
                _fetch(download, path, hashes[:1], retries=retries, progress=progress)
            elif hashes and not any(hash_matches(path, known) for known in hashes):
                raise DownloadError(
                    f"{path}: is there, but is not the published file ({' or '.join(hashes)}): "
                    "damaged, or another one. Delete it or move it away, then run this again"
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
    # Where there is no hash, the announced length alone tells a whole file from a part.
    downloader = Resumable(part, sized=not hashes, progress=progress)
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
            f"{path}: {download.url} sends another file than the published one ({hashes[0]}), or "
            f"it is altered on the way; nothing of it was kept. Try again later. {by_hand}"
        ) from error
    except DownloadError as error:
        raise DownloadError(f"{path}: {error}. {by_hand}") from error


class Resumable:
    """A downloader for pooch that keeps what arrived in `part` and goes on from there.

    sized: refuse an answer without a length, which could end too early unnoticed.
    """

    def __init__(self, part: Path, *, sized: bool, progress: bool) -> None:
        self.part, self.sized, self.progress = part, sized, progress

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        """Fetch `url` to `output_file`.

        Raises requests.RequestException where it breaks off and a further attempt may help, and
        DownloadError where none would.
        """
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            told = answer.headers.get("Content-Range", "")
            ended = answer.status_code == 416 and told == f"bytes */{have}"
            goes_on = answer.status_code == 206 and told.startswith(f"bytes {have}-")
            if have and answer.status_code in (206, 416) and not (ended or goes_on):
                self.part.unlink()  # not a beginning of what lies there now
                return self(url, output_file)
            if not ended:
                if 400 <= answer.status_code < 500:
                    raise DownloadError(
                        f"{url} answers {answer.status_code} {answer.reason}: the file has moved "
                        "or is not given out"
                    )
                answer.raise_for_status()
                self._receive(answer, have if goes_on else 0)
        os.replace(self.part, output_file)
        return None

    def _receive(self, answer: requests.Response, have: int) -> None:
        """Write the body behind the first `have` bytes of the part."""
        length = answer.headers.get("Content-Length")
        if length is None and self.sized:
            raise DownloadError(
                f"{answer.url} does not say how long the file is, and no hash of it is known: a "
                "part could pass for the whole"
            )
        total = have + int(length) if length is not None else None
        bar = tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=self.part.stem,
            disable=not self.progress,
        )  # fmt: skip
        with bar, open(self.part, "ab" if have else "wb") as file:
            try:
                for block in answer.raw.stream(1 << 20, decode_content=False):
                    file.write(block)
                    bar.update(len(block))
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(f"the connection broke off: {error}") from error
            file.flush()
            os.fsync(file.fileno())
            if total is not None and file.tell() != total:
                raise requests.ConnectionError(f"{file.tell()} of {total} bytes arrived")


def main(arguments: list[str] | None = None) -> int:
    """Command line; fetches every file that it can and returns 1 where one is missing."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.files.downloads")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"any of {', '.join(DOWNLOADS)}; without a name, "
        f"what profile 'paper' needs: {', '.join(PAPER)}",
    )  # fmt: skip
    failed = 0
    for name in parser.parse_args(arguments).names or PAPER:
        try:
            print(f"here    {name}: {fetch(name)}", flush=True)
        except KitError as error:
            print(f"FAILED  {name}: {error}", file=sys.stderr, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
