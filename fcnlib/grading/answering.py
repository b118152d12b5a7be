"""Run a student's code in a process of its own, and call the answer when asked.

This file is run as a program. Its messages take the streams that were its input and
output; the student's code finds both empty. What it says is not trusted: it hands on
what an answer returned, and someone else judges that.
"""

import ast
import contextlib
import importlib
import os
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
COURSE = HERE.parents[1]


def main():
    """Close the sandbox, run the code that comes first, then answer calls."""
    sys.path.insert(0, str(HERE))  # not fcnlib.grading, which would bring the checks
    import sandbox

    source, drain = _take_streams()
    left_open = sandbox.close(os.getcwd(), _readable())
    import encoding
    import networks

    sys.path[0] = str(COURSE)

    def send(kind, value):
        try:
            packed = encoding.pack((kind, networks.describe(value)))
        except Exception as error:
            packed = encoding.pack(("error", _name(error)))
        drain.write(struct.pack("<Q", len(packed)) + packed)
        drain.flush()

    send("started", left_open)
    answer = _load(*encoding.unpack(_receive(source)), send)
    while True:
        send(*_call(answer, encoding.unpack(_receive(source))))


def _take_streams():
    """Return the streams of messages, and put empty ones in their places."""
    kept = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    return kept


def _readable():
    """Return the folders of Python, its packages, and the course's package."""
    folders = [sys.prefix, sys.base_prefix, COURSE / "fcnlib", COURSE / "data"]
    return [str(folder) for folder in folders]


def _receive(stream):
    """Return the bytes of the next message; end with the stream."""
    head = stream.read(8)
    if len(head) < 8:
        os._exit(0)
    return stream.read(struct.unpack("<Q", head)[0])


def _load(imports, body, name, send):
    """Run the code and return the answer; say how far it came."""
    space = {"__name__": "__main__"}
    try:
        _import_ahead(body)
        exec(compile(imports, "imports", "exec"), space)
        send("imported", None)
        exec(compile(body, "notebook", "exec"), space)
        answer = space[name]
    except BaseException as error:
        send("error", _name(error))
        os._exit(0)
    send("function" if callable(answer) else "value", answer)
    return answer


def _import_ahead(body):
    """Import what functions import, so that it does not count as an answer's time."""
    for node in ast.walk(ast.parse(body)):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def _call(answer, arguments):
    """Return what an answer returns, and the arguments as it leaves them."""
    try:
        return "returned", (answer(*arguments), arguments)
    except BaseException as error:
        return "error", _name(error)


def _name(error):
    """Return an error's type and message as text, even if it cannot print itself."""
    try:
        return type(error).__name__, str(error)[:400]
    except BaseException:
        return type(error).__name__, ""


if __name__ == "__main__":
    main()
