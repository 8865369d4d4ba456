"""Downloads from a server that misbehaves, held against the bytes that it should have sent."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acga_lib.config import PROFILES, WORD_VECTORS
from acga_lib.errors import ConfigError, DownloadError
from acga_lib.files import downloads
from acga_lib.files.downloads import DOWNLOADS, PAPER, Download, fetch

CONTENT = bytes(range(256)) * 20_000  # 5 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


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

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
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
        WORD_VECTORS["paper"],
    ]
    assert [DOWNLOADS[name].file.partition("/")[2] for name in PAPER] == files
