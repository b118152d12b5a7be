"""Downloads from a server of the test: cut, dead, wrong, hostile, interrupted."""

import errno
import gzip
import hashlib
import http.server
import io
import pathlib
import random
import re
import socket
import tarfile
import threading

import pytest

from fcnlib import __main__ as command_line
from fcnlib import datasets, download

NAMES = [
    f"weizmann_horse_db/{kind}/horse {number}.jpg"
    for number in range(3)
    for kind in ("rgb", "figure_ground")
]
CONTENTS = {name: f"content of {name}".encode() * 400 for name in NAMES}
DIGESTS = {name: hashlib.sha256(each).hexdigest() for name, each in CONTENTS.items()}


class Server(http.server.ThreadingHTTPServer):
    """A server that answers as the test says, and notes what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = {}, []
        self.released = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Stay silent when a client leaves, as it does after an archive's last file."""

    def serve_folder(self, folder, contents):
        for name, content in contents.items():
            self.answers[f"/{folder}/{name.replace(' ', '%20')}"] = content
        return f"{self.address}/{folder}/"

    def serve(self, name, *answers):
        """Give the answers one after the other, then the last again and again."""
        self.answers[f"/{name}"] = list(answers)
        return f"{self.address}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with bytes, half of them, a redirection, nothing at all, or 404."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        kind, value = answer if isinstance(answer, tuple) else ("whole", answer)
        if kind == "stall":
            self.server.released.wait(10)
            self.close_connection = True
        elif kind == "redirect":
            self.send(302, b"", Location=value)
        elif value is None:
            self.send(404, b"not here")
        else:
            self.send(200, value, cut=kind == "cut")

    def send(self, status, content, cut=False, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


def pack(contents, *members):
    """Return a tar archive, compressed, of files and of members made by hand."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member)
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def files_in(folder):
    """Return every file under a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def dead_address():
    """Return an address at which nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{reserved.getsockname()[1]}/"


def fetch(folder, *addresses):
    download.fetch(folder, DIGESTS, addresses)


def fetch_in_vain(folder, *addresses):
    """Return the one line that says why the folder could not be filled."""
    with pytest.raises(FileNotFoundError) as caught:
        fetch(folder, *addresses)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What works


def test_an_archive_gives_its_listed_files_alone(server, tmp_path, capsys):
    others = {"weizmann_horse_db/gray/horse 0.jpg": b"gray", "README": b"read me"}
    address = server.serve("horses.tar.gz", pack(others | CONTENTS | others))
    fetch(tmp_path / "new" / "folder", address)
    assert files_in(tmp_path / "new" / "folder") == CONTENTS
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"asking {address}"
    assert lines[-1] == f"6 of 6 files are in {tmp_path / 'new' / 'folder'}"


def test_files_are_known_by_content_whatever_their_path_in_the_archive(
    server, tmp_path
):
    packed = pack({f"other/{i}": each for i, each in enumerate(CONTENTS.values())})
    fetch(tmp_path, server.serve("horses.tar.gz", packed))
    assert files_in(tmp_path) == CONTENTS


def test_a_folder_on_the_web_gives_one_file_after_the_other(server, tmp_path):
    fetch(tmp_path, server.serve_folder("copy", CONTENTS))
    assert files_in(tmp_path) == CONTENTS
    assert len(server.asked) == 6


def test_equal_files_are_fetched_once_and_written_twice(server, tmp_path):
    digests = {"a.jpg": DIGESTS[NAMES[0]], "b.jpg": DIGESTS[NAMES[0]]}
    address = server.serve_folder("copy", {"a.jpg": CONTENTS[NAMES[0]]})
    download.fetch(tmp_path, digests, [address])
    assert files_in(tmp_path) == dict.fromkeys(digests, CONTENTS[NAMES[0]])
    assert server.asked == ["/copy/a.jpg"]


def test_what_is_there_is_not_asked_for(server, tmp_path):
    address = server.serve_folder("copy", CONTENTS)
    fetch(tmp_path, address)
    (tmp_path / NAMES[3]).write_bytes(b"damaged")
    (tmp_path / NAMES[4]).unlink()
    server.asked.clear()
    fetch(tmp_path, address)
    assert len(server.asked) == 2
    assert files_in(tmp_path) == CONTENTS
    fetch(tmp_path, address)
    assert len(server.asked) == 2


def test_redirections_are_followed(server, tmp_path):
    target = server.serve("moved.tar.gz", pack(CONTENTS))
    fetch(tmp_path, server.serve("horses.tar.gz", ("redirect", target)))
    assert files_in(tmp_path) == CONTENTS


def test_progress_is_shown(server, tmp_path, capsys):
    contents = {f"{i}.jpg": str(i).encode() for i in range(120)}
    digests = {
        name: hashlib.sha256(each).hexdigest() for name, each in contents.items()
    }
    address = server.serve("many.tar.gz", pack(contents))
    download.fetch(tmp_path, digests, [address])
    steps = capsys.readouterr().out.splitlines()[1:-1]
    assert steps == [f"  {left} files to go" for left in (100, 50, 0)]


# Addresses that fail


@pytest.mark.parametrize("kind", ["dead", "404", "redirect to 404", "cut", "page"])
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_the_next_address_is_asked(server, tmp_path, kind, form):
    name = "horses.tar.gz" if form == "archive" else NAMES[0].replace(" ", "%20")
    content = pack(CONTENTS) if form == "archive" else CONTENTS[NAMES[0]]
    answers = {
        "404": None,
        "redirect to 404": ("redirect", "/nowhere"),
        "cut": ("cut", content),
        "page": b"<html>The page has moved</html>",
    }
    if kind == "dead":
        first = dead_address() + ("horses.tar.gz" if form == "archive" else "")
    else:
        first = server.serve(name, answers[kind])
        first = first if form == "archive" else f"{server.address}/"
    fetch(tmp_path, first, server.serve_folder("copy", CONTENTS))
    assert files_in(tmp_path) == CONTENTS


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_a_wrong_hash_leads_to_the_next_address(server, tmp_path, form):
    wrong = {**CONTENTS, NAMES[2]: b"another file"}
    if form == "archive":
        first = server.serve("horses.tar.gz", pack(wrong))
    else:
        first = server.serve_folder("wrong", wrong)
    message = fetch_in_vain(tmp_path, first)
    assert f"{first} lacks files or has others" in message
    assert all(CONTENTS[name] == each for name, each in files_in(tmp_path).items())
    fetch(tmp_path, first, server.serve_folder("copy", CONTENTS))
    assert files_in(tmp_path) == CONTENTS


def test_a_connection_that_is_cut_once_is_taken_up_again(server, tmp_path):
    # Random content, so that half of the archive holds some of the files.
    contents = {name: random.Random(name).randbytes(20_000) for name in NAMES}
    digests = {
        name: hashlib.sha256(each).hexdigest() for name, each in contents.items()
    }
    packed = pack(contents)
    address = server.serve("horses.tar.gz", ("cut", packed), packed)
    download.fetch(tmp_path, digests, [address])
    assert files_in(tmp_path) == contents
    assert len(server.asked) == 2


def test_an_archive_that_lacks_files_is_asked_once(server, tmp_path):
    some = {name: CONTENTS[name] for name in NAMES[:4]}
    address = server.serve("horses.tar.gz", pack(some))
    fetch(tmp_path, address, server.serve_folder("copy", CONTENTS))
    assert files_in(tmp_path) == CONTENTS
    assert len(server.asked) == 1 + 2


def test_a_server_that_stalls_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    stalled = server.serve("horses.tar.gz", ("stall", None))
    fetch(tmp_path, stalled, server.serve_folder("copy", CONTENTS))
    assert files_in(tmp_path) == CONTENTS


def test_no_address_that_answers_names_the_folder_to_fill(server, tmp_path):
    dead, missing = dead_address(), f"{server.address}/horses.tar.gz"
    message = fetch_in_vain(tmp_path, dead, missing)
    assert "6 of 6 files could not be fetched" in message
    assert f"{dead} did not answer" in message and f"{missing} answered 404" in message
    assert f"fill {tmp_path} by hand" in message
    assert str(tmp_path / NAMES[0]) in message
    assert files_in(tmp_path) == {}


def test_no_network_at_all(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    message = fetch_in_vain(tmp_path, "https://a.invalid/", "https://b.invalid/b.tar")
    assert "a.invalid/ did not answer" in message and "b.tar did not answer" in message


# Archives that mean harm


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_a_hostile_archive_never_leaves_the_folder(server, tmp_path):
    folder, outside = tmp_path / "inside" / "data", tmp_path / "outside"
    outside.mkdir()
    device = tarfile.TarInfo("weizmann_horse_db/device")
    device.type = tarfile.CHRTYPE
    planted = {
        "../evil.txt": b"evil",
        "../../outside/evil.txt": b"evil",
        f"{outside}/evil.txt": b"evil",
        "/evil-at-the-root.txt": b"evil",
        "C:\\evil.txt": b"evil",
        "weizmann_horse_db/rgb/../../../evil.txt": b"evil",
    }
    links = [
        link("weizmann_horse_db", str(outside)),
        link("weizmann_horse_db/rgb", "../../outside"),
        link(NAMES[0], "/etc/passwd"),
        link(NAMES[1], "/etc/passwd", tarfile.LNKTYPE),
        device,
    ]
    packed = pack(planted | CONTENTS | planted, *links)
    fetch(folder, server.serve("horses.tar.gz", packed))
    assert files_in(tmp_path / "inside") == {
        f"data/{name}": content for name, content in CONTENTS.items()
    }
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert files_in(outside) == {}


def test_a_listed_content_under_a_hostile_path_goes_to_the_listed_path(
    server, tmp_path
):
    packed = pack({f"../../{name}": each for name, each in CONTENTS.items()})
    fetch(tmp_path / "a" / "b", server.serve("horses.tar.gz", packed))
    assert set(files_in(tmp_path)) == {f"a/b/{name}" for name in NAMES}


def test_members_too_large_are_passed_over(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST_MEMBER", len(CONTENTS[NAMES[0]]) - 1)
    message = fetch_in_vain(tmp_path, server.serve("horses.tar.gz", pack(CONTENTS)))
    assert "lacks files or has others" in message


def test_a_damaged_archive_gives_whole_files_or_none(server, tmp_path):
    packed = pack(CONTENTS)
    plain = gzip.decompress(packed)
    draw = random.Random(0)
    refused = 0
    for trial in range(40):
        damaged = bytearray(plain if trial % 2 else packed)
        for place in draw.choices(range(min(512, len(damaged))), k=3):
            damaged[place] = draw.randrange(256)
        folder = tmp_path / str(trial)
        address = server.serve(f"{trial}.tar", bytes(damaged))
        try:
            fetch(folder, address)
        except FileNotFoundError as error:
            assert address in str(error) and "\n" not in str(error)
            refused += 1
        for name, content in files_in(folder).items():
            assert content == CONTENTS[name]
    assert refused > 20


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f\x8b\x08\x04" + bytes(7)])
def test_the_first_bytes_of_an_archive_are_none(server, tmp_path, content):
    message = fetch_in_vain(tmp_path, server.serve("horses.tar.gz", content))
    assert "is no whole tar archive" in message


# Interruptions and full disks


def stop_after(count, monkeypatch, error):
    """Let the next files be written, then raise an error in the middle of one."""
    write_bytes = pathlib.Path.write_bytes
    written = []

    def write(path, content):
        if len(written) == count:
            write_bytes(path, content[:10])
            raise error
        written.append(path)
        return write_bytes(path, content)

    monkeypatch.setattr(pathlib.Path, "write_bytes", write)


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_an_interrupted_download_goes_on_where_it_stopped(
    server, tmp_path, monkeypatch, form
):
    if form == "archive":
        address = server.serve("horses.tar.gz", pack(CONTENTS))
    else:
        address = server.serve_folder("copy", CONTENTS)
    with monkeypatch.context() as patched:
        stop_after(4, patched, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, address)
    whole = {name: CONTENTS[name] for name in NAMES[:4]}
    assert files_in(tmp_path) == whole  # and no half of the fifth
    server.asked.clear()
    fetch(tmp_path, address)
    assert files_in(tmp_path) == CONTENTS
    assert len(server.asked) == (1 if form == "archive" else 2)


def test_a_full_disk_is_no_failure_of_the_address(server, tmp_path, monkeypatch):
    addresses = [server.serve_folder(name, CONTENTS) for name in ("first", "second")]
    stop_after(1, monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="cannot be written .No space left on device"):
        fetch(tmp_path, *addresses)
    assert files_in(tmp_path) == {NAMES[0]: CONTENTS[NAMES[0]]}
    assert len(server.asked) == 2 and server.asked[-1].startswith("/first/")


# The command


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Put the files of this test in the place of the list of horses."""

    def list_files(split):
        names = {"train": NAMES[:2], "val": NAMES[2:4], "test": NAMES[4:]}[split]
        return {name: DIGESTS[name] for name in names}

    monkeypatch.setattr(datasets, "horse_files", list_files)
    monkeypatch.setenv("FCNLIB_DATA", str(tmp_path / "named"))


def test_the_command_fills_the_named_folder(
    server, listed, tmp_path, monkeypatch, capsys
):
    addresses = (dead_address(), server.serve_folder("copy", CONTENTS))
    monkeypatch.setattr(download, "HORSES", addresses)
    assert command_line.main(["download", "horses"]) == 0
    assert files_in(tmp_path / "named") == CONTENTS
    arguments = ["download", "horses", "--to", str(tmp_path / "other")]
    assert command_line.main(arguments) == 0
    assert files_in(tmp_path / "other") == CONTENTS
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"6 of 6 files are in {tmp_path / 'other'}"


def test_the_command_without_network_is_one_line(listed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "HORSES", (dead_address(), dead_address()))
    assert command_line.main(["download", "horses"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: 6 of 6 files") and error.count("\n") == 1
    assert str(tmp_path / "named") in error


def test_the_command_into_a_file_instead_of_a_folder(
    server, listed, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(download, "HORSES", (server.serve_folder("a", CONTENTS),))
    (tmp_path / "file").write_text("no folder")
    arguments = ["download", "horses", "--to", str(tmp_path / "file")]
    assert command_line.main(arguments) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "file") in error and error.count("\n") == 1


def test_the_horses_are_asked_for_at_the_authors_then_at_a_public_copy(
    monkeypatch, tmp_path
):
    fetched = []
    monkeypatch.setattr(download, "fetch", lambda *arguments: fetched.append(arguments))
    download.fetch_horses(tmp_path)
    [(folder, digests, (archive, copy))] = fetched
    assert folder == tmp_path and len(digests) == 656
    assert archive.endswith("/weizmann_horse_db.tar.gz")
    # Raw files of one commit: the copy cannot change.
    assert re.search(r"raw\.githubusercontent\.com/.+/[0-9a-f]{40}/$", copy)
    page = (pathlib.Path(__file__).parents[1] / "data" / "README.md").read_text("utf-8")
    assert archive in page and copy.split("/")[-2] in page
