"""Archives from a server of the test: resumed, cut, wrong, hostile, unpacked."""

import errno
import gzip
import hashlib
import io
import os
import pathlib
import random
import re
import sys
import tarfile

import miniature_voc
import pytest
from test_download import Handler, dead_address, files_in, link, pack, server

from fcnlib import __main__ as command_line
from fcnlib import archives, voc

__all__ = ["server"]  # a fixture, used by its name

# Random content, so that half of the archive is about half of the files.
CONTENTS = {
    f"VOCdevkit/VOC2012/{number}.jpg": random.Random(number).randbytes(9000 + number)
    for number in range(6)
}
PACKED = pack(CONTENTS)
LISTED = "".join(f"{len(each)} {name}\n" for name, each in CONTENTS.items()).encode()
UNPACKED = CONTENTS | {"voc.tar.gz": PACKED, "voc.tar.gz.files": LISTED}


class RangeHandler(Handler):
    """Answers as the other one does, and from any byte on when it is asked to."""

    def send(self, status, content, cut=False, **headers):
        asked = self.headers.get("Range")
        page = content.startswith(b"<html>")
        if asked and status == 200 and not page and not self.server.ignores_ranges:
            begun = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            self.server.begun.append(begun)
            status = 206 if begun < len(content) else 416
            span = f"bytes {begun}-{len(content) - 1}/{len(content)}"
            headers["Content-Range"] = span
            content = content[begun:]
        if content == b"no ranges at all":
            status = 416
        if page:
            headers["Content-Type"] = "text/html; charset=utf-8"
        super().send(status, content, cut, **headers)


@pytest.fixture(autouse=True)
def ranges(server):
    """Let the server answer with parts of a file, and note which were asked for."""
    server.RequestHandlerClass = RangeHandler
    server.begun, server.ignores_ranges = [], False


def describe(*addresses, content=PACKED, **changes):
    """Return the archive of this test at some addresses."""
    archive = archives.Archive(
        name="voc.tar.gz",
        place="",
        root="VOCdevkit",
        size=len(content),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        addresses=addresses,
    )
    return archive._replace(**changes)


def fetch_in_vain(folder, archive, error=FileNotFoundError):
    """Return the one line that says why an archive could not be fetched."""
    with pytest.raises(error) as caught:
        archives.fetch(folder, [archive])
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What works


def test_an_archive_is_fetched_verified_and_unpacked(server, tmp_path, capsys):
    folder = tmp_path / "new" / "data"
    address = server.serve("voc.tar.gz", PACKED)
    archives.fetch(folder, [describe(address)])
    assert files_in(folder) == UNPACKED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"asking {address}"
    assert lines[-1] == f"6 files of voc.tar.gz are in {folder / 'VOCdevkit'}"


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    archive = describe(server.serve("voc.tar.gz", PACKED))
    archives.fetch(tmp_path, [archive])
    (tmp_path / "voc.tar.gz").unlink()
    archives.fetch(tmp_path, [archive])
    assert len(server.asked) == 1
    (tmp_path / "VOCdevkit" / "VOC2012" / "3.jpg").write_bytes(b"cut")
    archives.fetch(tmp_path, [archive])
    assert len(server.asked) == 2
    assert files_in(tmp_path) == UNPACKED


def test_an_archive_put_there_by_hand_is_unpacked(tmp_path):
    (tmp_path / "voc.tar.gz").write_bytes(PACKED)
    archives.fetch(tmp_path, [describe()])
    assert files_in(tmp_path) == UNPACKED


def test_a_plain_tar_that_is_called_tgz(server, tmp_path):
    plain = gzip.decompress(PACKED)
    address = server.serve("voc.tgz", plain)
    digest = f"md5:{hashlib.md5(plain).hexdigest()}"
    archive = describe(address, size=None, digest=digest)
    archives.fetch(tmp_path, [archive])
    assert {**files_in(tmp_path), "voc.tar.gz": PACKED} == UNPACKED


def test_only_what_lies_under_the_root_is_unpacked(server, tmp_path):
    others = {"SegNet-1a2b/README": b"read", "SegNet-1a2b/CamVid/train.txt": b"list"}
    packed = pack(others)
    archive = describe(
        server.serve("a", packed), content=packed, root="CamVid", place="streets"
    )
    archives.fetch(tmp_path, [archive])
    assert files_in(tmp_path / "streets" / "CamVid") == {"train.txt": b"list"}
    assert set(files_in(tmp_path)) == {
        f"streets/{name}"
        for name in ("CamVid/train.txt", "voc.tar.gz", "voc.tar.gz.files")
    }


def test_without_a_published_checksum_the_found_one_is_printed(
    server, tmp_path, capsys
):
    (tmp_path / "voc.tar.gz.part").write_bytes(b"of another day")
    archive = describe(server.serve("a", PACKED), size=None, digest=None)
    archives.fetch(tmp_path, [archive])
    assert files_in(tmp_path) == UNPACKED and server.begun == []
    assert hashlib.sha256(PACKED).hexdigest() in capsys.readouterr().out


def test_a_content_encoding_is_left_as_it_is(server, tmp_path, monkeypatch):
    # Some servers call a .tar.gz file a tar file that they compressed on the way.
    send = RangeHandler.send

    def send_encoded(self, *arguments, **headers):
        send(self, *arguments, **headers, **{"Content-Encoding": "x-gzip"})

    monkeypatch.setattr(RangeHandler, "send", send_encoded)
    archives.fetch(tmp_path, [describe(server.serve("a", PACKED))])
    assert files_in(tmp_path) == UNPACKED


def test_progress_is_shown_where_someone_looks(server, tmp_path, monkeypatch, capsys):
    archive = describe(server.serve("a", ("cut", PACKED), PACKED), size=None)
    with monkeypatch.context() as patched:
        patched.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        archives.fetch(tmp_path / "seen", [archive])
    half, whole = (f"{count / 1e3:.1f}k" for count in (len(PACKED) // 2, len(PACKED)))
    shown = capsys.readouterr().err
    assert f"| {half}/{whole}" in shown and f"100%|██████████| {whole}/{whole}" in shown
    archives.fetch(tmp_path / "unseen", [archive])
    assert capsys.readouterr().err == ""


# Downloads that stop


def test_a_cut_download_goes_on_where_it_stopped(server, tmp_path):
    address = server.serve("voc.tar.gz", ("cut", PACKED), PACKED)
    archives.fetch(tmp_path, [describe(address)])
    assert server.begun == [len(PACKED) // 2]
    assert files_in(tmp_path) == UNPACKED


def test_the_next_run_goes_on_where_the_last_one_stopped(server, tmp_path):
    first = server.serve("voc.tar.gz", ("cut", PACKED), None)
    message = fetch_in_vain(tmp_path, describe(first))
    assert f"{first} answered 404" in message and "goes on where it stopped" in message
    assert files_in(tmp_path) == {"voc.tar.gz.part": PACKED[: len(PACKED) // 2]}
    archives.fetch(tmp_path, [describe(server.serve("second", PACKED))])
    assert server.begun[-1] == len(PACKED) // 2
    assert files_in(tmp_path) == UNPACKED


def test_a_whole_part_is_not_fetched_again(server, tmp_path):
    (tmp_path / "voc.tar.gz.part").write_bytes(PACKED)
    archives.fetch(tmp_path, [describe(server.serve("a", PACKED))])
    assert server.begun == [len(PACKED)]
    assert files_in(tmp_path) == UNPACKED


@pytest.mark.parametrize(
    "left", [b"another file", PACKED + b"more", b"x" * len(PACKED)]
)
def test_a_part_of_another_file_is_fetched_anew(server, tmp_path, left):
    (tmp_path / "voc.tar.gz.part").write_bytes(left)
    archives.fetch(tmp_path, [describe(server.serve("a", PACKED))])
    assert files_in(tmp_path) == UNPACKED


def test_a_server_that_knows_no_ranges_sends_all_again(server, tmp_path):
    server.ignores_ranges = True
    (tmp_path / "voc.tar.gz.part").write_bytes(PACKED[:1000])
    archives.fetch(tmp_path, [describe(server.serve("a", PACKED))])
    assert files_in(tmp_path) == UNPACKED


def test_an_interruption_keeps_what_came(server, tmp_path, monkeypatch):
    archive = describe(server.serve("a", PACKED))
    monkeypatch.setattr(archives, "_CHUNK", 5_000)
    with monkeypatch.context() as patched:
        patched.setattr(archives.tqdm.tqdm, "update", interrupt_at_progress)
        with pytest.raises(KeyboardInterrupt):
            archives.fetch(tmp_path, [archive])
    [(name, content)] = files_in(tmp_path).items()
    assert name == "voc.tar.gz.part"
    assert PACKED.startswith(content) and len(content) >= 20_000
    archives.fetch(tmp_path, [archive])
    assert server.begun == [len(content)]
    assert files_in(tmp_path) == UNPACKED


def interrupt_at_progress(bar, came):
    """Stand for the bar and for a user who presses Ctrl-C after some of it."""
    bar.n += came
    if bar.n > 20_000:
        raise KeyboardInterrupt


def test_an_interrupted_unpacking_is_done_again(server, tmp_path, monkeypatch):
    archive = describe(server.serve("a", PACKED))
    unpacked = []

    def interrupt(source, path):
        if len(unpacked) == 3:
            raise KeyboardInterrupt
        unpacked.append(path)

    with monkeypatch.context() as patched:
        patched.setattr(archives, "_unpack_file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            archives.fetch(tmp_path, [archive])
    archives.fetch(tmp_path, [archive])
    assert len(server.asked) == 1
    assert files_in(tmp_path) == UNPACKED


# Addresses that fail


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "answered 404"),
        (b"<html>Please log in</html>", "answered with a web page"),
        (b"another file", f"has no {len(PACKED)} bytes"),
        (bytes(2000), f"has 2000 bytes and not {len(PACKED)}"),
        (bytes(len(PACKED)), "has another file"),
        (("redirect", "/nowhere"), "answered 404"),
        (b"no ranges at all", f"has no {len(PACKED)} bytes"),
    ],
)
def test_the_next_address_is_asked(server, tmp_path, answer, reason):
    # What has come from elsewhere is not lost by an answer that is no archive.
    (tmp_path / "voc.tar.gz.part").write_bytes(PACKED[:1000])
    server.ignores_ranges = answer == bytes(len(PACKED))
    first = server.serve("first", answer)
    assert f"{first} {reason}" in fetch_in_vain(tmp_path, describe(first))
    if "another file" not in reason:
        assert files_in(tmp_path) == {"voc.tar.gz.part": PACKED[:1000]}
    archives.fetch(tmp_path, [describe(first, server.serve("second", PACKED))])
    assert files_in(tmp_path) == UNPACKED


def test_a_server_that_refuses_every_range_is_left(server, tmp_path):
    address = server.serve("a", b"no ranges at all")
    assert f"{address} answered 416" in fetch_in_vain(tmp_path, describe(address))


def test_dead_and_silent_addresses(server, tmp_path, monkeypatch):
    monkeypatch.setattr(archives.download, "TIMEOUT", 0.2)
    silent = server.serve("silent", ("stall", None))
    dead = f"{dead_address()}voc.tar.gz"
    message = fetch_in_vain(tmp_path, describe(dead, silent))
    assert f"{dead} did not answer" in message and f"{silent} did not answer" in message
    assert f"put the archive at {tmp_path / 'voc.tar.gz'} by hand" in message
    archives.fetch(tmp_path, [describe(dead, silent, server.serve("a", PACKED))])
    assert files_in(tmp_path) == UNPACKED


# Archives that are damaged or mean harm


def test_a_truncated_archive_put_there_by_hand(tmp_path):
    (tmp_path / "voc.tar.gz").write_bytes(PACKED[:20_000])
    message = fetch_in_vain(tmp_path, describe(), ValueError)
    assert message.startswith(f"{tmp_path / 'voc.tar.gz'} is damaged or another file")
    assert files_in(tmp_path) == {"voc.tar.gz": PACKED[:20_000]}


@pytest.mark.parametrize(
    "content",
    [
        *(PACKED[:20_000], gzip.decompress(PACKED)[:20_000], b"", b"no archive"),
        *(PACKED[:5], PACKED[:20_000] + bytes(9) + PACKED[20_000:]),
    ],
    ids=["cut", "cut tar", "empty", "text", "begun", "damaged"],
)
def test_a_truncated_archive_without_a_checksum(tmp_path, content):
    (tmp_path / "voc.tar.gz").write_bytes(content)
    message = fetch_in_vain(tmp_path, describe(digest=None), ValueError)
    assert "is no whole tar archive" in message and "remove it" in message
    assert not (tmp_path / "voc.tar.gz.files").exists()


def test_an_archive_of_something_else(tmp_path):
    (tmp_path / "voc.tar.gz").write_bytes(pack({"other/1.jpg": b"1"}))
    message = fetch_in_vain(tmp_path, describe(digest=None), ValueError)
    assert "holds no folder VOCdevkit" in message


def test_a_hostile_archive_never_leaves_the_folder(tmp_path):
    folder = tmp_path / "inside" / "data"
    folder.mkdir(parents=True)
    planted = [
        *("../VOCdevkit/1", "VOCdevkit/../../1", "VOCdevkit/a\nb", "C:/VOCdevkit/1"),
        *("VOCdevkit/C:/1", "VOCdevkit/..\\..\\1", "VOCdevkit/1/../../../../1"),
    ]
    links = [link("VOCdevkit", "/tmp"), link("VOCdevkit/passwd", "/etc/passwd")]
    links.append(link("VOCdevkit/hard", "/etc/passwd", tarfile.LNKTYPE))
    evil = dict.fromkeys(planted, b"evil")
    absolute = {f"{tmp_path}/outside/VOCdevkit/2": b"moved inside"}
    packed = pack(evil | absolute | CONTENTS, *links)
    (folder / "voc.tar.gz").write_bytes(packed)
    archives.fetch(folder, [describe(content=packed)])
    names = {"voc.tar.gz", "voc.tar.gz.files", "VOCdevkit/2", *CONTENTS}
    assert set(files_in(tmp_path)) == {f"inside/data/{name}" for name in names}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


# The disk


def test_a_full_disk_is_one_line_and_loses_nothing(server, tmp_path, monkeypatch):
    archive = describe(server.serve("a", PACKED), server.serve("b", PACKED))
    with monkeypatch.context() as patched:
        patched.setattr(archives, "open", open_full_disk, raising=False)
        message = fetch_in_vain(tmp_path, archive, OSError)
        assert "cannot be written (No space left on device)" in message
        assert str(tmp_path / "voc.tar.gz.part") in message
    assert server.asked == ["/a"]  # the other address would not help
    archives.fetch(tmp_path, [archive])
    assert files_in(tmp_path) == UNPACKED


def open_full_disk(path, mode):
    """Open a file that can be read only."""

    class Full(io.FileIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    return Full(path, mode)


# The command


def pack_tree(folder):
    """Return a folder as a tar archive in which all lies in one folder more."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname="top")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "write", "list_pairs"),
    [
        ("voc2012", miniature_voc.write_voc, lambda data: voc.voc_pairs(data, "val")),
        (
            "voc2011",
            lambda folder: miniature_voc.write_voc(folder, 2011),
            lambda data: voc.voc_pairs(data, "val"),
        ),
        (
            "sbd",
            miniature_voc.write_sbd,
            lambda data: os.listdir(data / "benchmark_RELEASE/dataset/cls"),
        ),
        ("camvid", miniature_voc.write_camvid, lambda d: voc.camvid_pairs(d, "val")),
        ("pets", miniature_voc.write_pets, lambda data: voc.pets_pairs(data, "test")),
    ],
    ids=archives.DATA_SETS,
)
def test_the_command_fetches_what_the_readers_read(
    server, tmp_path, monkeypatch, capsys, name, write, list_pairs
):
    write(tmp_path / "written")
    packed = pack_tree(tmp_path / "written")
    served = [
        archive._replace(
            size=None,
            digest=archive.digest and f"md5:{hashlib.md5(packed).hexdigest()}",
            addresses=[server.serve(archive.name, packed)],
        )
        for archive in archives.DATA_SETS[name]
    ]
    monkeypatch.setitem(archives.DATA_SETS, name, served)
    data = tmp_path / "data"
    assert command_line.main(["download", name, "--to", str(data)]) == 0
    assert f"{served[-1].name} are in" in capsys.readouterr().out
    assert len(list_pairs(data)) >= 2


def test_the_command_says_what_it_knows(capsys):
    assert command_line.main(["download", "voc"]) == 2
    error = capsys.readouterr().err
    expected = "pasture, horses, voc2012, voc2011, sbd, camvid, pets"
    assert f"data set voc is unknown; expected one of {expected}" in error


def test_the_table_names_published_files_and_checksums():
    cards = pathlib.Path(__file__).parents[1] / "data" / "README.md"
    page = cards.read_text("utf-8")
    for name, listed in archives.DATA_SETS.items():
        for archive in listed:
            assert len(archive.addresses) > 1
            assert all(re.match("https?://", each) for each in archive.addresses)
            if archive.digest:
                algorithm, _, value = archive.digest.partition(":")
                assert len(value) == 2 * hashlib.new(algorithm).digest_size
                assert all(each.endswith(archive.name) for each in archive.addresses)
                assert value in page, name
            for address in archive.addresses:
                assert address in page, address
