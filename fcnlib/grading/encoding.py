"""Turn values into bytes and back as plain data, so that no code travels along.

Whoever answers may send any bytes; `unpack` makes numbers, text, arrays and lists of
them, and nothing else. What is none of these arrives as an `Unknown`.
"""

import fractions
import inspect
import itertools
import json
import struct

import numpy as np

MAX_BYTES = 64 * 2**20  # of one message
MAX_STRUCTURE = 4 * 2**20  # of the part that is no array
MAX_DEPTH = 20
MAX_ITEMS = 10_000  # of an iterator, which may have no end
_ARRAY_KINDS = "biufcSU"
_CONTAINERS = {kind.__name__: kind for kind in (list, tuple, set, frozenset, dict)}


class Unknown:
    """Stand for a value that is no plain data; subclasses bear its type's name."""


def pack(value):
    """Return a value as bytes.

    Args:
        value: numbers, text, arrays, and lists, tuples, sets or dictionaries of them.

    Returns:
        bytes, the length of the structure, the structure as JSON, then the arrays.

    Raises:
        ValueError: if the value is too large to be an answer.

    Example:
        >>> unpack(pack((1, [True, None], np.float32([2.5]))))
        (1, [True, None], array([2.5], dtype=float32))
    """
    arrays = []
    structure = json.dumps(_describe(value, arrays, MAX_DEPTH)).encode()
    packed = b"".join((struct.pack("<Q", len(structure)), structure, *arrays))
    if len(packed) > MAX_BYTES or len(structure) > MAX_STRUCTURE:
        raise ValueError("expected an answer of less size; return what is asked for")
    return packed


def unpack(packed):
    """Return the value that `pack` turned into bytes.

    Args:
        packed: bytes, from anyone.

    Returns:
        The value, with an `Unknown` in place of all that is no plain data.

    Raises:
        ValueError: if these are no bytes of `pack`.

    Example:
        >>> type(unpack(pack(object()))).__name__
        'object'
    """
    try:
        (length,) = struct.unpack_from("<Q", packed)
        if length > MAX_STRUCTURE:
            raise ValueError
        structure = json.loads(packed[8 : 8 + length])
        return _restore(structure, memoryview(packed)[8 + length :])
    except (struct.error, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError("expected a packed value; these are other bytes") from error


def _describe(value, arrays, depth):
    """Return a value as JSON, and put the bytes of its arrays aside."""
    if depth == 0:
        return ["unknown", type(value).__name__]
    if isinstance(value, np.ndarray | np.generic):
        return _describe_array(value, arrays, depth)
    if value is None or isinstance(value, bool | int | float | str):
        return _describe_plain(value)
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, fractions.Fraction):
        return ["fraction", str(value)]
    if isinstance(value, range):
        return ["range", value.start, value.stop, value.step]
    items = _items(value)
    if items is not None:
        kind, parts = items
        return [kind, *(_describe(part, arrays, depth - 1) for part in parts)]
    return _describe_other(value, arrays, depth)


def _describe_plain(value):
    """Return text or a number as JSON; whole numbers of any length as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return ["int", int.__repr__(value)]
    return float(value) if isinstance(value, float) else str.__str__(value)


def _items(value):
    """Return the kind of a collection and its parts, or `None` if it is none."""
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind.__name__, list(value)
    if isinstance(value, dict):
        return "dict", [list(pair) for pair in value.items()]
    if hasattr(value, "__next__"):
        return "iterator", list(itertools.islice(value, MAX_ITEMS))
    if type(value).__name__ in ("dict_keys", "dict_values", "dict_items"):
        return "list", list(value)
    return None


def _describe_other(value, arrays, depth):
    """Return what may be seen as an array, a function, or the name of a type."""
    if inspect.isroutine(value):
        return ["function"]
    if hasattr(value, "__array__"):  # a tensor
        try:
            return _describe_array(np.asarray(value), arrays, depth)
        except Exception:
            pass
    return ["unknown", type(value).__name__[:80]]


def _describe_array(value, arrays, depth):
    """Return an array or one of its numbers as JSON, and put its bytes aside."""
    array = np.asarray(value)
    if array.dtype.kind == "O":
        items = [_describe(item, arrays, depth - 1) for item in array.ravel()]
        return ["objects", list(array.shape), *items]
    if array.dtype.kind not in _ARRAY_KINDS:
        return _describe(array.astype("float64"), arrays, depth - 1)
    start = sum(map(len, arrays))
    arrays.append(array.tobytes())
    kind = "number" if isinstance(value, np.generic) else "array"
    return [kind, array.dtype.str, list(array.shape), start]


def _restore(structure, data):
    """Return the value that a structure of JSON describes."""
    if not isinstance(structure, list):
        return structure
    kind, *parts = structure
    if kind == "int":
        return int(parts[0])
    if kind == "complex":
        return complex(*parts)
    if kind == "fraction":
        return fractions.Fraction(parts[0])
    if kind in ("array", "number"):
        array = _restore_array(parts, data)
        return array if kind == "array" else array[()]
    if kind == "objects":
        return _restore_objects(parts, data)
    if kind == "unknown":
        return type(str(parts[0]), (Unknown,), {})()
    if kind == "function":
        return _unsent
    if kind == "range":
        return range(*parts)
    items = [_restore(part, data) for part in parts]
    return iter(items) if kind == "iterator" else _CONTAINERS[kind](items)


def _restore_array(parts, data):
    """Return an array of plain numbers or text; anything else is an error."""
    dtype, shape, start = np.dtype(parts[0]), tuple(parts[1]), parts[2]
    if dtype.kind not in _ARRAY_KINDS or min(start, *shape, 0) < 0:
        raise ValueError("expected an array of numbers or text")
    count = int(np.prod(shape, dtype="object"))
    if count == 0:
        return np.zeros(shape, dtype)
    stop = start + count * dtype.itemsize
    return np.frombuffer(data[start:stop], dtype, count).reshape(shape).copy()


def _restore_objects(parts, data):
    """Return an array of objects, such as fractions."""
    shape, *items = parts
    array = np.empty(len(items), dtype="object")
    array[:] = [_restore(item, data) for item in items]
    return array.reshape(shape)


def _unsent(*arguments):
    """Stand for a function within an answer, which is not sent."""
    raise TypeError("expected plain data, and a function came")
