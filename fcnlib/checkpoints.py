"""Store the state of a long training so that nothing interrupts it for good."""

import json
import os
import pathlib
import zipfile

import numpy as np
import tensorflow as tf

KEPT = 2


def save(folder, identity, step, variables):
    """Write a checkpoint, whole or not at all, and delete all but the last two.

    The file takes its name only when the disk holds it whole, so that a process killed
    at any moment leaves the checkpoint before.

    Args:
        folder: `pathlib.Path` of the folder; it is made if need be.
        identity: Dictionary of strings and numbers, what the training is of.
        step: Integer, how many steps are done.
        variables: List of Keras variables, of the network and of its optimizer.

    Raises:
        OSError: If the file cannot be written; the checkpoints before stay, and no part
            of it.

    Example:
        >>> import keras, pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for step in (10, 20, 30):
        ...     save(folder, {}, step, [keras.Variable([1.0, 2.0])])
        >>> sorted(path.name for path in folder.iterdir())
        ['step-00000020.npz', 'step-00000030.npz']
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.npz"
    temporary = folder / "checkpoint.part"
    try:
        with open(temporary, "wb") as file:
            np.savez(
                file,
                identity=json.dumps(identity),
                **{f"{index}": read(each) for index, each in enumerate(variables)},
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}): make space and repeat the "
            "call, which goes on from the checkpoint before",
        ) from error
    for old in _find(folder)[KEPT:]:
        old.unlink()


def restore(folder, identity, variables):
    """Set variables to the last checkpoint of a folder.

    A damaged one is passed over for the one before, if that is whole.

    Args:
        folder: `pathlib.Path` of the folder, which may be missing.
        identity: Dictionary, what the training is of.
        variables: List of Keras variables, those that were saved, in the same order.

    Returns:
        Integer, how many steps are done; 0 if there is no checkpoint.

    Raises:
        ValueError: If the checkpoint is of another training, or if all are damaged.

    Example:
        >>> import keras, pathlib, tempfile
        >>> folder, weights = pathlib.Path(tempfile.mkdtemp()), keras.Variable([1.0])
        >>> save(folder, {"size": "course"}, 5, [weights])
        >>> weights.assign([7.0]) is None
        False
        >>> restore(folder, {"size": "course"}, [weights]), float(weights[0])
        (5, 1.0)
    """
    paths = _find(folder)
    for path in paths:
        try:
            found, arrays = _read(path)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            print(f"{path} is damaged; looking for the one before")
            continue
        _check(path, found, identity)
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        return int(path.stem.removeprefix("step-"))
    if paths:
        raise ValueError(
            f"{folder}: expected a whole checkpoint, but all {len(paths)} are damaged: "
            "delete this folder to begin anew"
        )
    return 0


def delete(folder):
    """Delete the checkpoints of a training that has ended.

    Args:
        folder: `pathlib.Path` of the folder, which may be missing.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> save(folder, {}, 5, [])
        >>> delete(folder)
        >>> list(folder.iterdir())
        []
    """
    for path in _find(folder):
        path.unlink()


def read(variable):
    """Return the value of a variable on this machine, without asking the others.

    Args:
        variable: Keras variable, of one device or mirrored on several.

    Returns:
        Array.

    Example:
        >>> import keras
        >>> read(keras.Variable([1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    strategy = tf.distribute.get_strategy()
    return strategy.experimental_local_results(variable.value)[0].numpy()


def _find(folder):
    """Return the checkpoints of a folder, the last one first."""
    return sorted(pathlib.Path(folder).glob("step-*.npz"), reverse=True)


def _read(path):
    """Return what training a checkpoint is of, and its arrays."""
    with open(path, "rb") as file, np.load(file) as stored:
        count = len(stored.files) - 1
        arrays = [stored[f"{index}"] for index in range(count)]
        return json.loads(str(stored["identity"])), arrays


def _check(path, found, expected):
    """Raise an error if a checkpoint is of another training."""
    for key in {**expected, **found}:
        if found.get(key) != expected.get(key):
            raise ValueError(
                f"{path}: expected a checkpoint with {key} {expected.get(key)}, but "
                f"it has {found.get(key)}: repeat the call that wrote it, or choose "
                "another --out"
            )
