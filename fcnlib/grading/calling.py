"""Hand a student's answer to a check as if it were an ordinary value or function.

The code runs in another process (`answering`); here are only the bytes that it sends.
So whatever the code overwrites, it overwrites there.
"""

import contextlib
import os
import pathlib
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from fcnlib.grading import encoding, networks

IMPORT_SECONDS = 120  # TensorFlow takes some on a busy machine
LOAD_SECONDS = 10
CALL_SECONDS = 90  # the checks have limits of their own below this
_PROGRAM = pathlib.Path(__file__).with_name("answering.py")


class NoAnswer(Exception):
    """Say why an answer's code could not be run to its end."""


@contextlib.contextmanager
def running(code, name):
    """Run an answer's code, and yield the answer until the block ends.

    Args:
        code: `extraction.Code`.
        name: str, the answer's name.

    Yields:
        The answer as a value or a function, and a list of str, what `sandbox.close`
        left open.

    Raises:
        NoAnswer: if the code stops with an error or does not end.

    Example:
        >>> from fcnlib.grading.extraction import Code
        >>> with running(Code("", "half = lambda x: x / 2"), "half") as (half, _):
        ...     half(3)
        1.5
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = _Process(folder)
        try:
            left_open = process.wait_for("started", IMPORT_SECONDS)
            process.send((code.imports, code.body, name))
            process.wait_for("imported", IMPORT_SECONDS)
            kind, value = process.receive(LOAD_SECONDS)
            yield (process.call if kind == "function" else value), left_open
        finally:
            process.end()


class _Process:
    """The process that runs a student's code."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_PROGRAM)],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        self.messages = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, value):
        """Send a message."""
        packed = encoding.pack(value)
        try:
            self.process.stdin.write(struct.pack("<Q", len(packed)) + packed)
        except OSError:
            raise NoAnswer(self._how_it_ended()) from None

    def receive(self, seconds):
        """Return the next message, or say why there is none."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                # Short, so that a check can stop the thread in which this runs.
                packed = self.messages.get(timeout=0.05)
            except queue.Empty:
                continue
            return self._open(packed)
        self.end()
        raise NoAnswer(f"not finished in {seconds} s; is there a loop without end?")

    def wait_for(self, expected, seconds):
        """Return the value of a message of one kind."""
        kind, value = self.receive(seconds)
        if kind != expected:
            raise NoAnswer("it sends messages of its own.")
        return value

    def call(self, *arguments):
        """Call the answer as a function."""
        self.send(list(arguments))
        value = self.wait_for("returned", CALL_SECONDS)
        try:
            found, after = value
            for before, changed in zip(arguments, after, strict=True):
                _change(before, changed)
        except (TypeError, ValueError):
            raise NoAnswer("it sends messages of its own.") from None
        return networks.rebuild(found)

    def end(self):
        """Stop the process and all that it has started."""
        for stop in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, stop)
                else:
                    self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
                break
        self.process.stdin.close()

    def _listen(self):
        """Put what arrives into the queue, and `None` at the end.

        This thread alone closes the stream: closed by another while this one reads, its
        number would go to the next process, and this thread would read from that.
        """
        with self.process.stdout, contextlib.suppress(OSError, ValueError, EOFError):
            while True:
                (length,) = struct.unpack("<Q", self._read(8))
                if length > encoding.MAX_BYTES:
                    break
                self.messages.put(self._read(length))
        self.messages.put(None)

    def _read(self, length):
        """Return as many bytes of the process."""
        parts = []
        while length:
            part = self.process.stdout.read(min(length, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _open(self, packed):
        """Return a message's kind and value; raise the error that it reports."""
        if packed is None:
            self.messages.put(None)  # for whoever asks next
            raise NoAnswer(self._how_it_ended())
        try:
            kind, value = encoding.unpack(packed)
            if kind != "error":
                return kind, value
            name, text = map(str, value)
            error = type(name[:80], (NoAnswer,), {})(text)
        except (TypeError, ValueError):
            raise NoAnswer("it sends messages of its own.") from None
        raise error

    def _how_it_ended(self):
        """Say that the process is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        status = self.process.returncode
        return f"Python has ended, with status {status}; does it call exit()?"


def _environment(folder):
    """Return the few variables that Python and its packages need."""
    variables = {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "MPLBACKEND": "agg",
    }
    variables |= dict.fromkeys(("HOME", "TMPDIR", "TEMP", "USERPROFILE"), folder)
    if "SYSTEMROOT" in os.environ:  # Windows starts nothing without it
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return variables


def _change(before, changed):
    """Do to an argument what the answer did to its copy, and to what lies in it."""
    if isinstance(before, list):
        before[:] = changed
    elif isinstance(before, np.ndarray):
        if not isinstance(changed, np.ndarray) or changed.dtype != before.dtype:
            raise ValueError
        if changed.shape != before.shape:
            before.resize(changed.shape, refcheck=False)
        before[...] = changed
