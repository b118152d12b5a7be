"""Take rights away from the process that runs a student's code.

What the system allows is done, and the rest is named: see `close`. Linux has all of
it, macOS the limits on time and on the size of files, Windows none; there, whoever
grades the work of strangers does so in a container.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import struct
import sys

SECONDS = 90  # of the processor
BYTES = 4 * 2**30  # of memory
FILE_BYTES = 2**24  # of one file
PROCESSES = 256  # with all their threads; TensorFlow takes some dozens
_NAMESPACES = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000  # user, net, pid, ipc
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38  # of prctl
_CREATE_RULESET, _ADD_RULE, _RESTRICT = 444, 445, 446  # Landlock's system calls
# Landlock's rights: to read, execute and list; and all that its version knows.
_READ = 1 | 1 << 2 | 1 << 3
_OF_FILES = 1 | 1 << 1 | 1 << 2 | 1 << 14  # those that a rule on a file may name
_SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache"),
    *("/etc/localtime", "/etc/passwd", "/etc/nsswitch.conf", "/proc/self"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system"),
    *("/sys/fs/cgroup", "/dev/urandom", "/dev/random", "/dev/zero"),
)


def close(folder, readable):
    """Take all rights away that are not needed to compute an answer.

    Time, memory, and the size and number of files and processes are limited. The
    process loses the network, sees no other processes, reads nothing but Python and
    `readable`, and writes nowhere but into `folder`. To see no other processes takes a
    fork: this returns in the forked process, and the first one waits for its end.

    Args:
        folder: str, a folder of its own.
        readable: list of str, files and folders that it may read.

    Returns:
        List of str, what this system left open: "memory", "network", "processes",
        "files".
    """
    left_open = [] if _limit() else ["memory"]
    if sys.platform != "linux":
        return [*left_open, "network", "processes", "files"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if libc.unshare(_NAMESPACES):
        left_open += ["network", "processes"]
    else:
        _fork_and_wait()
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        set_limit("RLIMIT_NPROC", PROCESSES)
    if not _lock_files(libc, folder, readable):
        left_open.append("files")
    return left_open


def set_limit(name, value):
    """Set a limit of this process.

    Args:
        name: str, as in the module `resource`.
        value: int.

    Returns:
        bool, whether the system knows it.
    """
    try:
        import resource  # not on Windows

        _, highest = resource.getrlimit(getattr(resource, name))
        if highest != resource.RLIM_INFINITY:
            value = min(value, highest)
        resource.setrlimit(getattr(resource, name), (value, value))
    except (ImportError, AttributeError, ValueError, OSError):
        return False
    return True


def _limit():
    """Limit time, memory and files; return whether memory is limited."""
    set_limit("RLIMIT_CPU", SECONDS)
    set_limit("RLIMIT_FSIZE", FILE_BYTES)
    set_limit("RLIMIT_NOFILE", 512)
    set_limit("RLIMIT_CORE", 0)
    # Not RLIMIT_AS: TensorFlow reserves more addresses than it ever uses.
    return set_limit("RLIMIT_DATA", BYTES) and sys.platform == "linux"


def _fork_and_wait():
    """Return in a forked process, the first of its namespace; all others end with it.

    The process before waits for it, stops it when asked to, and ends as it did.
    """
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    for stream in (0, 1):
        os.close(stream)  # or the end of the child would not be seen
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _lock_files(libc, folder, readable):
    """Leave Python readable and a folder writable, by Landlock; return if it worked."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (1 << 13) - 1
    rights |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    network = 3 if version >= 4 else 0  # to bind and to connect, by TCP
    scope = 3 if version >= 6 else 0  # abstract sockets, and signals to others
    attribute = struct.pack("QQQ", rights, network, scope)
    attribute = attribute[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(
        _CREATE_RULESET, attribute, ctypes.c_size_t(len(attribute)), 0
    )
    if ruleset < 0:
        return False
    for path in (*_SYSTEM, *readable):
        _allow(libc, ruleset, path, _READ)
    _allow(libc, ruleset, os.devnull, _READ | 1 << 1)
    _allow(libc, ruleset, folder, rights)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return libc.syscall(_RESTRICT, ruleset, 0) == 0


def _allow(libc, ruleset, path, rights):
    """Allow what is done beneath a path; one that does not exist needs no rule."""
    with contextlib.suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not pathlib.Path(path).is_dir():
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, place)
        libc.syscall(_ADD_RULE, ruleset, 1, rule, 0)
        os.close(place)
