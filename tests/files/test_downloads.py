"""Downloads from a server that misbehaves, held against the bytes that it should have sent."""

import hashlib
import os
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acga_lib.errors import CheckpointError, ConfigError, DownloadError
from acga_lib.files import downloads
from acga_lib.files.downloads import DOWNLOADS, PAPER, Download, fetch
from acga_lib.hashes import recorded_hash
from acga_lib.profiles import PROFILES, PUBLISHED_VECTORS
from acga_lib.weights import load_tensors

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 20_000  # 5 MB that begin as PyTorch's files do
SHA256 = hashlib.sha256(CONTENT).hexdigest()


PAGE = b"<!DOCTYPE html><html>Sign in to go on"
#: What a server sends instead: status, headers, body.
OTHER = {
    "sends a login page": (
        200, {"Content-Type": "text/html", "Content-Length": len(PAGE)}, PAGE
    ),
    "sends a page as long as the file": (
        200, {"Content-Length": len(CONTENT)}, PAGE.ljust(len(CONTENT))
    ),
    "sends a short text": (200, {"Content-Length": len(PAGE)}, PAGE),
    "sends more than it may": (200, {}, CONTENT + CONTENT),
    "sends a length of no number": (200, {"Content-Length": "five"}, CONTENT),
    "sends nothing": (204, {}, b""),
    "sends a part": (
        206, {"Content-Range": "bytes 100-199/300", "Content-Length": 100}, CONTENT[100:200]
    ),
    **{
        f"sends the range {told}": (206, {"Content-Range": told, "Content-Length": 9}, b"nonsense!")
        for told in ("", "bytes 9-3/10", "bytes 0-9/5", "bytes a-b/c", f"bytes 0-{'9' * 5000}/*")
    },
}  # fmt: skip


class Server(ThreadingHTTPServer):
    """Serves CONTENT. What is wrong with each answer, in order: `faults`; then all is well."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.ranges = [], []  #: [what was asked for] as the Range headers

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/file.pt"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        fault = self.server.faults.pop(0) if self.server.faults else ""
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if fault == "no ranges":
            asked, start = None, 0
        elif fault == "another range":
            start += 1
        body = CONTENT[start:]
        if fault.startswith("sends "):
            return self.send(OTHER[fault])
        if fault.isdigit():
            return self.send_error(int(fault))
        if asked and not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if fault != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "altered":
            body = body[:1000] + b"?" + body[1001:]
        self.wfile.write(body[: len(body) // 2] if fault in ("breaks off", "no length") else body)

    def send(self, answer):
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the other side may have seen enough
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def get(server, monkeypatch, tmp_path):
    """-> a function that fetches the server's file; hashes: those that are published."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # before a further attempt

    def call(*hashes, retries=0):
        made = Download(url=server.url, file="weights/x.pt", megabytes=5, hashes=hashes)
        monkeypatch.setitem(DOWNLOADS, "x", made)
        return fetch("x", data=tmp_path, retries=retries, progress=False)

    return call


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights" / "x.pt"


def left(path):
    """The names in the folder, without the lock."""
    return sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock")


def test_a_file_arrives_with_its_hash_beside_it_and_is_fetched_once(server, get, path):
    assert get(SHA256) == path and path.read_bytes() == CONTENT
    assert (path.parent / "x.pt.sha256").read_text() == f"{SHA256}  x.pt\n"
    assert left(path) == ["x.pt", "x.pt.sha256"]
    get(SHA256)
    assert server.ranges == [None]


def test_a_broken_connection_is_gone_on_with_where_it_stopped(server, get, path):
    server.faults = ["breaks off"]
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        get(SHA256)
    half = len(CONTENT) // 2
    assert left(path) == ["x.pt.part"] and (path.parent / "x.pt.part").stat().st_size == half
    server.faults = ["breaks off"]
    get(SHA256, retries=1)  # breaks off again, and the second attempt is made at once
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]
    assert path.read_bytes() == CONTENT and left(path) == ["x.pt", "x.pt.sha256"]


@pytest.mark.parametrize("fault", ["no ranges", "another range"])
def test_a_server_that_cannot_go_on_sends_the_whole_anew(fault, server, get, path):
    server.faults = ["breaks off", fault]
    get(SHA256, retries=1)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more", b"other" + CONTENT[5:9000]])
def test_a_part_that_is_whole_too_long_or_of_another_file_ends_well(part, server, get, path):
    path.parent.mkdir()
    (path.parent / "x.pt.part").write_bytes(part)
    get(SHA256, retries=1)
    assert path.read_bytes() == CONTENT and left(path) == ["x.pt", "x.pt.sha256"]


def test_an_altered_file_is_not_kept(server, get, path):
    server.faults = ["altered"]
    with pytest.raises(DownloadError, match=rf"{SHA256}.*nothing of it was kept.*put it at {path}"):
        get(SHA256)
    assert left(path) == []


def test_nothing_is_written_where_the_address_is_gone(server, get, path):
    server.faults = ["404"]
    with pytest.raises(DownloadError, match=rf"404 Not Found.*{server.url}.*put it at {path}"):
        get(SHA256, retries=3)
    assert left(path) == [] and len(server.ranges) == 1  # a second attempt would not help


def test_offline_the_address_and_the_place_of_the_file_are_named(server, get, path):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=rf"fetch {server.url} \(5 MB\).*put it at {path}"):
        get(SHA256, retries=1)
    assert left(path) == []


def test_a_file_put_there_by_hand_is_kept_if_any_published_hash_fits(server, get, path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    get("md5:" + "0" * 32, f"sha256:{SHA256}")
    assert not server.ranges and left(path) == ["x.pt", "x.pt.sha256"]
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=rf"{path}: is there, but is not the published file"):
        get(SHA256)
    assert path.read_bytes() == CONTENT[:-1]  # whoever put it there may want it


def test_without_a_published_hash_later_files_are_held_against_the_first(server, get, path):
    server.faults = ["no length"]
    with pytest.raises(DownloadError, match="does not say how long"):
        get()
    assert left(path) == []
    get()
    path.unlink()
    server.faults = ["altered"]
    with pytest.raises(DownloadError, match=SHA256):
        get()
    assert left(path) == ["x.pt.sha256"]


@pytest.mark.parametrize("fault", OTHER)
def test_what_is_not_the_file_is_refused_and_costs_nothing_that_is_kept(fault, server, get, path):
    server.faults = [fault]
    with pytest.raises(DownloadError, match=rf"{path}: .*{server.url}.*put it at {path}"):
        get()
    assert [name for name in left(path) if (path.parent / name).stat().st_size] == []
    part = path.parent / "x.pt.part"
    part.write_bytes(CONTENT[:9000])
    server.faults = [fault]
    with suppress(DownloadError):  # nonsense where a part was asked for: the whole is asked for
        get()
    if fault not in ("sends more than it may", "sends a page as long as the file"):
        assert CONTENT.startswith((part if part.exists() else path).read_bytes()[:9000])
    assert get().read_bytes() == CONTENT


def test_a_page_put_there_by_hand_does_not_become_the_measure(get, path):
    path.parent.mkdir()
    path.write_bytes(PAGE)
    with pytest.raises(DownloadError, match=rf"{path}: is there, but has 37 bytes.*5 MB"):
        get()
    path.write_bytes(PAGE.ljust(len(CONTENT)))
    with pytest.raises(DownloadError, match=r"begins with b'<!DOCTYPE"):
        get()
    assert left(path) == ["x.pt"]


@pytest.mark.parametrize("record", [b"", b"\n", b"\xff\xfe\x00", b"not a hash", b"abc123  x.pt"])
def test_a_record_that_is_no_hash_is_named_and_the_file_is_not_trusted(record, get, path):
    get()
    (path.parent / "x.pt.sha256").write_bytes(record)
    with pytest.raises(DownloadError, match=r"x\.pt\.sha256: holds no sha256.*delete"):
        get()
    with pytest.raises(CheckpointError, match=r"x\.pt\.sha256: holds no sha256.*delete"):
        load_tensors(path)
    get(SHA256)  # where the hash is published, the record is written anew
    assert recorded_hash(path) == SHA256


@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to", "fifo"])
def test_a_link_at_the_temporary_name_leads_nowhere(kind, get, path, tmp_path):
    path.parent.mkdir()
    part, other = path.parent / "x.pt.part", tmp_path / "thesis.tex"
    other.write_text("chapter 1")
    os.mkfifo(part) if kind == "fifo" else getattr(part, kind)(other)
    with pytest.raises(DownloadError, match=rf"{part} is a link.*delete it"):
        get(SHA256)
    assert other.read_text() == "chapter 1"


def test_a_folder_that_cannot_be_written_is_named(get, path):
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match=rf"{path}: cannot be written"):
        get(SHA256)


def test_the_command_fetches_what_it_can_and_fails_if_anything_is_missing(
    server, get, path, monkeypatch, capsys
):
    get(SHA256)
    monkeypatch.setattr(downloads, "fetch", lambda name: fetch(name, data=path.parents[1]))
    assert downloads.main(["no such name", "x"]) == 1 and downloads.main(["x"]) == 0
    said = capsys.readouterr()
    assert f"x: {path}" in said.out and "'no such name'; choose one of: i3d-rgb" in said.err
    with pytest.raises(ConfigError):
        fetch("no such name", data=path.parents[1])


def test_the_downloads_are_the_files_that_profile_paper_reads():
    profile = PROFILES["paper"]
    files = [
        profile.networks.trunk,
        profile.networks.flow_trunk,
        profile.networks.image_network,
        PUBLISHED_VECTORS,
    ]
    assert [DOWNLOADS[name].file.partition("/")[2] for name in PAPER] == files
