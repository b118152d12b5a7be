"""Download data sets: no file takes its name before its SHA-256 is verified."""

import hashlib
import pathlib
import tarfile
import urllib.parse

import requests
import urllib3

from fcnlib import datasets

# The data set's own address, on an old host, then a public copy of its files.
HORSES = (
    "https://www.msri.org/people/members/eranb/weizmann_horse_db.tar.gz",
    "https://raw.githubusercontent.com/shenshutao/image_segmentation/"
    "2653401d6ea617026895aac17059eb57e017abcb/",
)
TIMEOUT = 30  # seconds without a byte

# A member of an archive that is larger than this is passed over unread.
_LARGEST_MEMBER = 2**28

# What goes wrong at an address. What goes wrong on the disk is not among it.
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, tarfile.TarError)


def fetch_horses(folder):
    """Fetch the Weizmann horses, all splits, into a folder.

    Args:
        folder: String or path of the folder that is to hold `weizmann_horse_db`.

    Raises:
        FileNotFoundError: If the addresses did not give all of the files.
        OSError: If a file cannot be written.

    Example:
        >>> fetch_horses("data")  # doctest: +SKIP
        656 of 656 files are in data
    """
    digests = {}
    for split in datasets.HORSE_SPLITS:
        digests |= datasets.horse_files(split)
    fetch(folder, digests, HORSES)


def fetch(folder, digests, addresses):
    """Fill a folder with the files of a list, from the first addresses that have them.

    Files that are there and verified stay, so that an interrupted run is continued by
    the next one. An address that fails after it brought files is asked again; one that
    brought none, or has another file, gives way to the next.

    A file is known by its SHA-256 alone. Archives are read from the connection and
    never unpacked: what has a listed SHA-256 goes to the listed path, and whatever
    else an archive holds, links and paths that lead elsewhere too, is passed over.

    Args:
        folder: String or path of the folder to fill; it is made if it is missing.
        digests: Dictionary from path in the folder to SHA-256.
        addresses: Sequence of strings. One that ends with "/" is a folder, to which the
            paths are appended; another is a tar archive.

    Raises:
        FileNotFoundError: If the addresses did not give all of the files.
        OSError: If a file cannot be written.

    Example:
        >>> import tempfile
        >>> fetch(tempfile.mkdtemp(), {}, [])
        0 of 0 files are in /...
    """
    folder = pathlib.Path(folder)
    missing = {
        path: digest
        for path, digest in digests.items()
        if not _is_verified(folder / path, digest)
    }
    failures = []
    with requests.Session() as session:
        for address in addresses if missing else ():
            failures.append(_ask(session, address, folder, missing))
            if not missing:
                break
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(digests)} files could not be fetched "
            f"({'; '.join(failures)}); try again later, or fill {folder} by hand, so "
            f"that {folder / next(iter(missing))} and the others are there"
        )
    print(f"{len(digests)} of {len(digests)} files are in {folder}")


def _is_verified(path, digest):
    """Return whether there is a file with this SHA-256."""
    return path.is_file() and _sha256(path.read_bytes()) == digest


def _sha256(content):
    """Return the SHA-256 of bytes as text."""
    return hashlib.sha256(content).hexdigest()


def _ask(session, address, folder, missing):
    """Ask one address while it brings files, and return why it brings no more."""
    print(f"asking {address}", flush=True)
    read = _read_folder if address.endswith("/") else _read_archive
    while True:
        before = len(missing)
        try:
            for content in read(session, address, missing):
                _keep(content, folder, missing)
        except FAILURES as error:
            if len(missing) == before:
                return f"{address} {explain(error)}"
        else:
            return f"{address} lacks files or has others"


def _read_archive(session, address, missing):
    """Yield the content of each file in a tar archive, read from the connection."""
    plain = {"Accept-Encoding": "identity"}  # what is read is not decoded
    with session.get(address, headers=plain, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        with _open_archive(response.raw) as archive:
            for member in archive:
                if not missing:
                    return
                if member.isfile() and member.size <= _LARGEST_MEMBER:
                    yield archive.extractfile(member).read()


def _open_archive(stream):
    """Open a tar archive that is read once, from its start to its end."""
    try:
        return tarfile.open(fileobj=stream, mode="r|*")
    except TypeError as error:  # raised where a gzip header is cut off
        raise tarfile.ReadError("its header is cut off") from error


def _read_folder(session, address, missing):
    """Yield the content of each missing file, read from a folder on the web."""
    for path in list(missing):
        if path not in missing:
            continue  # its content came under another name
        url = address + urllib.parse.quote(path)
        with session.get(url, timeout=TIMEOUT) as response:
            response.raise_for_status()
            yield response.content
        if path in missing:
            return  # another file stands there


def _keep(content, folder, missing):
    """Write content to the paths that are missing it, and take them off the list."""
    digest = _sha256(content)
    for path in [path for path in missing if missing[path] == digest]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        datasets.write_file(folder / path, content)
        del missing[path]
        if len(missing) % 50 == 0:
            print(f"  {len(missing)} files to go", flush=True)


def explain(error):
    """Say in a few words why an address failed.

    Args:
        error: One of `FAILURES`.

    Returns:
        String that follows the address.

    Example:
        >>> explain(requests.ConnectTimeout())
        'did not answer (ConnectTimeout)'
    """
    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code}"
    if isinstance(error, tarfile.TarError):
        return f"is no whole tar archive ({error})"
    return f"did not answer ({type(error).__name__})"
