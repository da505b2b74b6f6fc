"""Original files fetched from a server on this machine that misbehaves, and members of archives."""

import hashlib
import io
import multiprocessing
import os
import re
import signal
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.registry import UserError
from datasets import Spec, archive, downloads, packed_file
from datasets.downloads import Original

CONTENT = np.random.default_rng(0).bytes(5_000 * 64)
OTHER = CONTENT[::-1]
SIZE = len(CONTENT)
SPAWN = multiprocessing.get_context("spawn")
Rows = NDArray[np.uint8]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Manner:
    """How one request is answered."""

    content: bytes = CONTENT
    ranges: bool = True
    shift: int = 0  # added to where the range begins
    most: int = SIZE  # bytes of a range
    frame: str = "length"  # how the body ends: length, chunked, close
    length: str | None = None  # said in place of the right one
    cut: int | None = None  # bytes until the connection ends
    pause: float = 0  # seconds, at the cut
    code: int = 200
    reason: str | None = None
    to: str | None = None  # where a redirect leads
    raw: bytes | None = None  # all of the answer


@dataclass
class Shop:
    """A server: how it answers the next requests, and the path and range of those that came."""

    address: str = ""
    manners: list[Manner] = field(default_factory=list)
    usual: Manner = field(default_factory=Manner)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def one(self, *places: str, md5: str | None = md5(CONTENT)) -> Original:
        return Original("f.bin", tuple(self.address + place for place in places or ("f",)), md5)

    def ranges(self) -> list[str | None]:
        return [span for _, span in self.asked]


class Handler(BaseHTTPRequestHandler):
    def __init__(self, shop: Shop, *args: Any) -> None:
        self.shop = shop
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        span = self.headers["Range"]
        self.shop.asked.append((self.path, span))
        manner = self.shop.manners.pop(0) if self.shop.manners else self.shop.usual
        first = int(span.split("=")[1][:-1]) if span and manner.ranges else 0
        self.close_connection = True
        if manner.raw is not None:
            self.wfile.write(manner.raw)
        elif manner.code != 200:
            self.send_response(manner.code, manner.reason)
            self.send_header("Location", manner.to or "")
            self.end_headers()
        elif first and first >= len(manner.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(manner.content)}")
            self.end_headers()
        else:
            self._deal(manner, first, bool(span) and manner.ranges)

    def _deal(self, manner: Manner, first: int, ranged: bool) -> None:
        first, whole = first + manner.shift, len(manner.content)
        last = min(whole, first + manner.most) if ranged else whole
        body = manner.content[first:last]
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{whole}")
        if manner.frame == "length":
            self.send_header("Content-Length", manner.length or str(len(body)))
        if manner.frame == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        self.end_headers()
        self.wfile.write(body[: manner.cut])
        if manner.pause:
            self.wfile.flush()
            self.shop.closing.wait(manner.pause)
            self.wfile.write(body[manner.cut :])


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, shop)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        shop.address = f"http://127.0.0.1:{server.server_port}/"
        yield shop
        shop.closing.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that files are fetched into, in an empty cache."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "d"


def left(place: Path, content: bytes) -> None:
    """Leave the beginning of a download."""
    place.mkdir(parents=True)
    (place / "f.bin.part").write_bytes(content)


def files(place: Path) -> list[str]:
    files = (path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.name for path in files)


def assert_fetched(one: Original, place: Path, content: bytes = CONTENT) -> None:
    assert downloads.get("d", [one], None) == [place / "f.bin"]
    assert files(place) == ["f.bin"]
    assert (place / "f.bin").read_bytes() == content


def refused(one: Original) -> str:
    """Return the one line that says why the file cannot be had."""
    with pytest.raises(UserError) as caught:
        downloads.get("d", [one], None)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 800
    return line


def test_a_file_arrives_whole(shop: Shop, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert_fetched(shop.one(), place)
    out, err = capfd.readouterr()
    assert (out, err.count("\nd: fetching ")) == ("", 0)
    assert err.startswith(f"d: fetching {shop.address}f to {place / 'f.bin'}\n")


def test_a_file_in_the_cache_is_not_fetched_again(shop: Shop, place: Path) -> None:
    assert_fetched(shop.one(), place)
    assert_fetched(shop.one(), place)
    assert shop.asked == [("/f", None)]


@pytest.mark.parametrize("inner", ["", "d"])
def test_the_users_file_is_taken_where_it_lies(shop: Shop, tmp_path: Path, inner: str) -> None:
    mine = tmp_path / "mine" / inner / "f.bin"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(CONTENT)
    assert downloads.get("d", [shop.one()], tmp_path / "mine") == [mine]
    assert (shop.asked, files(tmp_path)) == ([], ["f.bin"])


def test_a_users_file_that_is_another_is_named_and_kept(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(OTHER)
    with pytest.raises(UserError) as caught:
        downloads.get("d", [shop.one()], tmp_path)
    assert all(word in str(caught.value) for word in (str(tmp_path / "f.bin"), md5(OTHER)))
    assert (tmp_path / "f.bin").read_bytes() == OTHER
    assert shop.asked == []


@pytest.mark.parametrize("frame", ["length", "chunked"])
def test_a_broken_connection_is_continued(shop: Shop, place: Path, frame: str) -> None:
    shop.usual.frame = frame
    shop.manners = [Manner(cut=100_007, frame=frame)]
    assert_fetched(shop.one(), place)
    came = 100_007 - (len(f"{SIZE:x}\r\n") if frame == "chunked" else 0)
    assert shop.asked == [("/f", None), ("/f", f"bytes={came}-")]


def test_each_connection_asks_for_what_is_missing_then(shop: Shop, place: Path) -> None:
    shop.manners = [Manner(cut=100_000), Manner(cut=50_000)]
    assert_fetched(shop.one(), place)
    assert shop.ranges() == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_keeps_breaking_off_is_left_for_later(shop: Shop, place: Path) -> None:
    shop.manners = [Manner(cut=50_000)] * downloads.ATTEMPTS
    assert "it ended after 150,000 of 320,000 bytes" in refused(shop.one())
    assert files(place) == ["f.bin.part"]
    assert_fetched(shop.one(), place)
    assert shop.ranges()[-1] == "bytes=150000-"


def _get(one: Original) -> None:
    # A shell's background job, and what it starts, would not hear of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    downloads.get("d", [one], None)


def run(target: Callable[..., None], *args: object) -> multiprocessing.process.BaseProcess:
    process = SPAWN.Process(target=target, args=args)
    process.start()
    return process


def wait_for(path: Path, size: int) -> None:
    """Wait until the file has so many bytes."""
    end = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_next_process_continues(shop: Shop, place: Path, end: signal.Signals) -> None:
    shop.manners = [Manner(cut=200_000, pause=60)]
    process = run(_get, shop.one())
    wait_for(place / "f.bin.part", 150_000)
    assert process.pid is not None
    os.kill(process.pid, end)
    process.join()
    assert process.exitcode == (-end if end == signal.SIGKILL else 1)
    assert files(place.parent) == ["f.bin.part"]
    have = (place / "f.bin.part").stat().st_size
    assert_fetched(shop.one(), place)  # in this process
    assert shop.ranges() == [None, f"bytes={have}-"]


def test_a_server_without_ranges_sends_the_whole_file(shop: Shop, place: Path) -> None:
    left(place, CONTENT[:100_000])
    shop.usual.ranges = False
    assert_fetched(shop.one(), place)
    assert shop.ranges() == ["bytes=100000-"]


@pytest.mark.parametrize("digest", [md5(CONTENT), None])
class TestWithAndWithoutAChecksum:
    def test_a_finished_part_is_taken(self, shop: Shop, place: Path, digest: str | None) -> None:
        left(place, CONTENT)
        assert_fetched(shop.one(md5=digest), place)
        assert shop.ranges() == [f"bytes={SIZE}-"]

    def test_a_part_longer_than_the_file(self, shop: Shop, place: Path, digest: str | None) -> None:
        left(place, CONTENT + b"more")
        assert_fetched(shop.one(md5=digest), place)
        assert shop.ranges() == [f"bytes={SIZE + 4}-", None]

    @pytest.mark.parametrize("shift", [-7, 7])
    def test_another_range_than_was_asked_for(
        self, shop: Shop, place: Path, digest: str | None, shift: int
    ) -> None:
        left(place, CONTENT[:100_000])
        shop.manners = [Manner(shift=shift)]
        assert_fetched(shop.one(md5=digest), place)
        assert shop.ranges() == ["bytes=100000-", None]

    def test_the_whole_file_as_a_range(self, shop: Shop, place: Path, digest: str | None) -> None:
        left(place, CONTENT[:100_000])
        shop.manners = [Manner(shift=-100_000)]
        assert_fetched(shop.one(md5=digest), place)
        assert shop.ranges() == ["bytes=100000-"]

    def test_less_than_was_asked_for(self, shop: Shop, place: Path, digest: str | None) -> None:
        left(place, CONTENT[:100_000])
        shop.manners = [Manner(most=50_000)]
        assert_fetched(shop.one(md5=digest), place)
        assert shop.ranges() == ["bytes=100000-", "bytes=150000-"]

    @pytest.mark.parametrize("manner", [Manner(frame="close"), Manner(length="a few")])
    def test_no_length(self, shop: Shop, place: Path, digest: str | None, manner: Manner) -> None:
        shop.usual = manner
        assert_fetched(shop.one(md5=digest), place)


@pytest.mark.parametrize("mine", [OTHER[:100_000], OTHER])
def test_a_part_of_another_file_is_thrown_away(shop: Shop, place: Path, mine: bytes) -> None:
    left(place, mine)
    assert "what came has the MD5" in refused(shop.one())
    assert files(place) == []
    assert_fetched(shop.one(), place)
    assert shop.ranges() == [f"bytes={len(mine)}-", None]


def test_an_early_end_that_no_length_gives_away(shop: Shop, place: Path) -> None:
    shop.manners = [Manner(frame="close", cut=100_000)]
    assert f"what came has the MD5 {md5(CONTENT[:100_000])}" in refused(shop.one())
    assert files(place) == []
    assert_fetched(shop.one(), place)


def test_a_wrong_checksum_is_refused(shop: Shop, place: Path) -> None:
    shop.usual.content = OTHER
    assert f"what came has the MD5 {md5(OTHER)}, not {md5(CONTENT)}" in refused(shop.one())
    assert files(place.parent) == []
    assert shop.ranges() == [None]


@pytest.mark.parametrize(
    "dead",
    [Manner(code=404), Manner(code=500), Manner(code=416), Manner(content=OTHER), Manner(raw=b"")],
)
def test_the_second_mirror_serves(shop: Shop, place: Path, dead: Manner) -> None:
    shop.manners = [dead]
    assert_fetched(shop.one("one/f", "two/f"), place)
    assert shop.asked == [("/one/f", None), ("/two/f", None)]


def test_a_mirror_that_refuses_connections(shop: Shop, place: Path) -> None:
    one = Original("f.bin", ("http://127.0.0.1:9/f", f"{shop.address}f"), md5(CONTENT))
    assert_fetched(one, place)


def test_the_second_mirror_continues_the_first(shop: Shop, place: Path) -> None:
    shop.manners = [Manner(cut=100_000), Manner(code=500)]
    assert_fetched(shop.one("one/f", "two/f"), place)
    assert shop.asked == [
        ("/one/f", None),
        ("/one/f", "bytes=100000-"),
        ("/two/f", "bytes=100000-"),
    ]


def test_all_that_the_user_needs_to_know_is_in_one_line(shop: Shop, place: Path) -> None:
    shop.usual.code = 404
    urls = (f"{shop.address}f", "http://127.0.0.1:9/f")
    line = refused(Original("f.bin", urls, md5(CONTENT)))
    assert all(word in line for word in (*urls, "f.bin", str(place), md5(CONTENT)))
    assert "HTTP Error 404: Not Found; " in line
    assert "Connection refused" in line
    assert files(place.parent) == []


def test_a_file_that_is_published_nowhere(place: Path) -> None:
    line = refused(Original("f.bin"))
    assert line == (
        f"d needs f.bin, which is neither in {place} nor in a --data-dir; "
        f"python -m benchmark data about d says whose it is; put it there as {place / 'f.bin'}"
    )


def test_all_missing_files_are_named_at_once(place: Path) -> None:
    here, *lacking = (Original(f"{name}.bin", ("http://127.0.0.1:9/f",)) for name in "abcd")
    place.mkdir(parents=True)
    (place / "a.bin").write_bytes(CONTENT)
    with pytest.raises(UserError) as caught:
        downloads.get("d", [here, *lacking], None)
    line = str(caught.value)
    assert "d needs b.bin, which" in line
    assert line.endswith("; c.bin, d.bin are not there either (python -m benchmark data about d)")


def test_a_file_that_was_just_fetched_is_not_missing(shop: Shop, place: Path) -> None:
    lost = [Original(name, ("http://127.0.0.1:9/f",)) for name in ("b.bin", "c.bin")]
    with pytest.raises(UserError, match=r"; c\.bin is not there either") as caught:
        downloads.get("d", [shop.one(), *lost], None)
    assert "f.bin" not in str(caught.value)
    assert (place / "f.bin").is_file()


def test_a_redirect_is_followed_and_continued(shop: Shop, place: Path) -> None:
    left(place, CONTENT[:100_000])
    shop.manners = [Manner(code=302, to="/elsewhere")]
    assert_fetched(shop.one(), place)
    assert shop.asked == [("/f", "bytes=100000-"), ("/elsewhere", "bytes=100000-")]


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        (Manner(code=302, to="/f"), "infinite loop. The last 30x error message was: Found"),
        (Manner(code=302, to="http://[/"), "Invalid IPv6 URL"),
        (Manner(code=302, to="file:///etc/hostname"), "not allowed"),
        (Manner(code=503, reason="come back " * 1000), "HTTP Error 503: come back"),
        (Manner(raw=b"<html>no such\r\npage"), "<html>no such"),
        (Manner(raw=b""), "closed connection"),
        (Manner(code=416), "HTTP Error 416"),
    ],
)
def test_whatever_a_server_says_is_one_short_line(
    shop: Shop, place: Path, manner: Manner, reason: str
) -> None:
    shop.usual = manner
    assert reason in refused(shop.one())
    assert files(place) == []


def test_a_server_without_encryption(shop: Shop) -> None:
    address = shop.address.replace("http", "https")
    assert "SSL" in refused(Original("f.bin", (f"{address}f",)))


def test_a_server_that_falls_silent(
    shop: Shop, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", 0.5)
    shop.manners = [Manner(cut=100_000, pause=60), Manner(cut=0, pause=60)]
    assert "timed out" in refused(shop.one())
    have = (place / "f.bin.part").stat().st_size
    assert 0 < have <= 100_000
    assert_fetched(shop.one(), place)
    assert shop.ranges()[-1] == f"bytes={have}-"


def test_a_file_where_the_folder_should_be(shop: Shop, place: Path) -> None:
    place.parent.mkdir()
    place.touch()
    assert "File exists" in refused(shop.one())
    assert files(place.parent) == ["d"]


def test_a_file_where_the_cache_should_be(shop: Shop, place: Path) -> None:
    place.parent.touch()
    assert "Not a directory" in refused(shop.one())


def test_a_folder_where_the_part_should_be(shop: Shop, place: Path) -> None:
    (place / "f.bin.part").mkdir(parents=True)
    assert "Is a directory" in refused(shop.one())


def _limited(one: Original) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    assert "cannot be downloaded: File too large; python -m benchmark data get" in refused(one)


def test_a_full_disk_is_one_line_and_continued_later(shop: Shop, place: Path) -> None:
    process = run(_limited, shop.one())
    process.join()
    assert process.exitcode == 0
    assert files(place.parent) == ["f.bin.part"]
    have = (place / "f.bin.part").stat().st_size
    assert_fetched(shop.one(), place)
    assert shop.ranges()[-1] == f"bytes={have}-"


def _pack(start: Barrier, name: str, one: Original) -> None:
    def make() -> packed_file.Contents:
        (path,) = downloads.get("d", [one], None)
        rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 64)
        return packed_file.Contents(len(rows), [rows])

    start.wait()
    found = packed_file.packed(Spec(name, (1, 8, 8), 256, (), ()), make, source="nobody")
    assert found.images[:].tobytes() == CONTENT


def test_processes_that_need_the_same_file_download_it_once(shop: Shop, place: Path) -> None:
    shop.manners = [Manner(cut=100_000, pause=0.5)]
    start = SPAWN.Barrier(3)
    processes = [run(_pack, start, name, shop.one(md5=None)) for name in ("x", "x", "y")]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert shop.asked == [("/f", None)]
    assert files(place) == ["f.bin"]


KINDS = ["folder", "zip", "tar", "tar.gz"]
ARCHIVES = KINDS[1:]
MEMBERS = {f"box/{n % 3}/{n}.bin": bytes([n]) * 40 for n in range(9)}
MEMBERS |= {"box/ä b": b"", "box/a": b"a", "box/most": CONTENT[:30_000]}


def added(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = b"0") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, len(content), "box/a"
    tar.addfile(member, io.BytesIO(content))


def archived(folder: Path, kind: str, members: dict[str, bytes]) -> Path:
    """Return a folder or an archive with these members, and those of an archive in folders."""
    path = folder / ("box" if kind == "folder" else f"box.{kind}")
    if kind == "folder":
        for name, content in members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.mkdir("box")
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as tar:
            added(tar, "box", kind=tarfile.DIRTYPE)
            for name, content in members.items():
                added(tar, name, content)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_the_same_in_a_folder_and_in_archives(tmp_path: Path, kind: str) -> None:
    with archive.members(archived(tmp_path, kind, MEMBERS)) as (names, read):
        assert sorted(names) == sorted(MEMBERS)
        assert {name: read(name) for name in reversed(names)} == MEMBERS


@pytest.mark.parametrize("kind", ARCHIVES)
def test_nothing_is_unpacked(tmp_path: Path, kind: str) -> None:
    path = archived(tmp_path, kind, MEMBERS)
    with archive.members(path) as (names, read):
        assert all(read(name) == MEMBERS[name] for name in names)
    assert files(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("name", ["/x", "../x", "box/../../x", "box/..", "..\\x", "\\x"])
def test_members_outside_of_the_archive_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    path = archived(tmp_path / "in", kind, {"box/a": b"a", name: b"x"})
    with (
        pytest.raises(
            UserError, match=re.escape(f"{path} is not to be trusted: it holds {name!r}")
        ),
        archive.members(path),
    ):
        pass
    assert files(tmp_path) == [path.name]


def test_links_and_devices_of_a_tar_are_not_listed(tmp_path: Path) -> None:
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    with tarfile.open(tmp_path / "box.tar", "w") as tar:
        added(tar, "box/a", b"a")
        for kind in kinds:
            added(tar, f"box/{kind!r}", kind=kind)
    with archive.members(tmp_path / "box.tar") as (names, _):
        assert names == ["box/a"]


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_damaged_archive_is_named_in_one_line(tmp_path: Path, kind: str, damage: str) -> None:
    path = archived(tmp_path, kind, MEMBERS)
    good = path.read_bytes()
    path.write_bytes(
        {"truncated": good[: len(good) // 2], "text": b"no page\n", "empty": b""}[damage]
    )
    with pytest.raises(UserError, match=f"cannot read {path}") as caught, archive.members(path):
        pass
    assert "\n" not in str(caught.value)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = archived(tmp_path, "zip", MEMBERS)
    path.write_bytes(path.read_bytes().replace(b"\4" * 40, b"\4" * 39 + b"\5"))
    with archive.members(path) as (names, read), pytest.raises(UserError) as caught:
        list(archive.decoded(path, names, read, decode))
    assert str(caught.value).startswith(f"cannot read {path} (box/1/4.bin): Bad CRC-32")


def test_a_damaged_lzma_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "box.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("box/text", "no two words are the same " * 2000)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(20) + content[80:])
    with archive.members(path) as (names, read), pytest.raises(UserError, match=r"\(box/text\)"):
        list(archive.decoded(path, names, read, decode))


COUNT = 20 * archive.CHUNK
NAMES = [f"{n}" for n in range(COUNT)]


def decode(content: bytes) -> Rows:
    return np.frombuffer(content, np.uint8)


def number(name: str) -> bytes:
    return np.array([int(name)], "<i4").tobytes()


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


def blocks(read: archive.Read, decode: Callable[[bytes], Rows] = decode) -> Iterator[Rows]:
    return archive.decoded(Path("box.zip"), NAMES, read, decode)


def test_images_are_decoded_in_threads_and_come_in_order(two_cores: None) -> None:
    met, threads = threading.Barrier(2), set()

    def meeting(content: bytes) -> Rows:
        threads.add(threading.get_ident())
        if content in (number("0"), number(f"{archive.CHUNK}")):
            met.wait(60)  # each of the first two blocks waits for the other
        return decode(content)

    found = np.concatenate(list(blocks(number, meeting)))
    assert found.view("<i4")[:, 0].tolist() == list(range(COUNT))
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_members_are_not_read_far_ahead(two_cores: None) -> None:
    seen: list[str] = []

    def read(name: str) -> bytes:
        seen.append(name)
        return number(name)

    came = 0
    for block in blocks(read):
        assert len(seen) - came <= 5 * archive.CHUNK
        came += len(block)
    assert came == COUNT
    assert seen == NAMES


def test_a_damaged_image_is_named() -> None:
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "PNG")
    png = file.getvalue()

    def open_png(content: bytes) -> Rows:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image)

    line = r"cannot read box.zip \(999\): .*; if it is damaged"
    with pytest.raises(UserError, match=line):
        list(blocks(lambda name: png[:60] if name == "999" else png, open_png))


def test_a_name_that_no_member_has(tmp_path: Path) -> None:
    path = archived(tmp_path, "tar", MEMBERS)
    with archive.members(path) as (_, read), pytest.raises(UserError, match=r"\(box/none\)"):
        list(archive.decoded(path, ["box/a", "box/none"], read, decode))
