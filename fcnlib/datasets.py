"""Read, write, pad, augment and batch pairs of an image and its label map."""

import csv
import errno
import hashlib
import io
import itertools
import math
import os
import pathlib
import shutil

import cv2
import numpy as np
import PIL.Image
import tensorflow as tf

from fcnlib import pasture
from fcnlib.folders import inspect_folder  # noqa: F401, found here by those who load
from fcnlib.voc import LabelFile, camvid_pairs, pets_pairs, voc_pairs  # noqa: F401

VOID = 255  # the label of pixels that no loss and no score counts

# Scenes are named by their seeds. Training takes as many as it needs from
# 10,000 on, so that no network ever sees a scene of the two other splits.
PASTURE_SPLITS = {
    "train": range(10_000, 11_500),
    "val": range(1_000, 1_200),
    "test": range(0, 200),
}

# Fixed by this course: the authors of the photographs gave no splits.
HORSE_SPLITS = ("train", "val", "test")
_HORSE_LIST = "data/weizmann_horses.csv"

PICTURE_SUFFIXES = (
    *(".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".ppm", ".tif", ".tiff", ".webp"),
)


def read_image(path):
    """Read a picture of any format that OpenCV reads as 8-bit RGB.

    Gray pictures get three equal channels, 16 bits become 8, an alpha channel is
    dropped, and a rotation noted by the camera (EXIF) is carried out.

    Args:
        path: String or path of the picture.

    Returns:
        The image, (H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, damaged or no picture.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
        >>> red = np.full((2, 3, 3), (255, 0, 0), dtype="uint8")
        >>> write_png(path, red)
        >>> np.array_equal(read_image(path), red)
        True
    """
    content = _read_bytes(path)
    # OpenCV fills the missing rest of a cut file with gray and says nothing, so
    # Pillow looks first. A format that Pillow does not know is left to OpenCV.
    _open_with_pillow(path, content)
    try:
        image = cv2.imdecode(np.frombuffer(content, "uint8"), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _damaged(path, error.err) from error
    if image is None:
        raise ValueError(
            f"{path} is no picture that OpenCV reads; give a PNG, JPEG or TIFF file"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_labels(path):
    """Read a label map as the numbers in its PNG file.

    A PNG file with a palette holds one class number a pixel and a color for each
    number; the numbers are read, the colors are not.

    Args:
        path: String or path of a PNG file with one channel, or a `LabelFile`.

    Returns:
        The labels, (H, W) uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, no PNG, or has several channels.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.png"
        >>> write_png(path, np.array([[0, 1], [4, 255]], dtype="uint8"))
        >>> read_labels(path)
        array([[  0,   1],
               [  4, 255]], dtype=uint8)
    """
    if isinstance(path, LabelFile):
        return path.read()
    content = _read_bytes(path)
    picture = _open_with_pillow(path, content)
    if picture is None or picture.format != "PNG" or picture.mode not in "1LP":
        kind = f"{picture.format}, {picture.mode}" if picture else "no picture"
        raise ValueError(
            f"{path} is no label map ({kind}); save it as a PNG file with one "
            "channel of class numbers, 8 bits or a palette"
        )
    labels = np.array(picture, dtype="uint8")
    if picture.mode == "L":
        bits = content[24]  # of a sample, in a PNG header
        labels //= 255 // (2**bits - 1)  # Pillow spreads fewer bits over 0..255
    return labels


def read_pair(image_path, labels_path):
    """Read an image and the label map that belongs to it.

    Args:
        image_path: String or path of a picture, see `read_image`.
        labels_path: String or path of its label map, see `read_labels`.

    Returns:
        The image, (H, W, 3) uint8, RGB, and the labels, (H, W) uint8.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If a file cannot be read or the two differ in size.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> write_png(folder / "image.png", np.zeros((2, 3, 3), dtype="uint8"))
        >>> write_png(folder / "labels.png", np.ones((2, 3), dtype="uint8"))
        >>> image, labels = read_pair(folder / "image.png", folder / "labels.png")
        >>> image.shape, labels.shape
        ((2, 3, 3), (2, 3))
    """
    image, labels = read_image(image_path), read_labels(labels_path)
    if image.shape[:2] != labels.shape:
        raise ValueError(
            f"{image_path} has {_size_text(image)} pixels but {labels_path} has "
            f"{_size_text(labels)}; give a label map of the image's own size"
        )
    return image, labels


def load_pair(image, labels):
    """Return a pair of arrays, read from its files if it came as paths.

    Args:
        image: Array of shape (H, W, 3), uint8, RGB, or the path of a picture.
        labels: Array of shape (H, W), uint8, or the path of its label map.

    Returns:
        The image, (H, W, 3) uint8, RGB, and the labels, (H, W) uint8.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If a file cannot be read, or the shapes or types are others.

    Example:
        >>> from fcnlib import pasture
        >>> image, labels = load_pair(*pasture.draw_scene(seed=0))
        >>> image.shape[:2] == labels.shape
        True
    """
    if isinstance(image, (str, os.PathLike)):
        return read_pair(image, labels)
    if image.shape != (*labels.shape, 3) or image.dtype != "uint8":
        raise ValueError(
            f"image of shape {image.shape}, {image.dtype}, and labels of shape "
            f"{labels.shape} came; expected (H, W, 3) uint8 and (H, W) uint8"
        )
    return image, labels


def folder_pairs(images_folder, labels_folder):
    """Pair the pictures of one folder with the label maps of another.

    `photos/horse_12.jpg` belongs to `labels/horse_12.png`: the names agree up to
    the last dot. Files that are no pictures, and hidden ones, are passed over.

    Args:
        images_folder: String or path of the folder with pictures.
        labels_folder: String or path of the folder with label maps, PNG files.

    Returns:
        List of (image path, labels path), sorted by name.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If a folder holds nothing, or if a file has no partner.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "photos").mkdir()
        >>> (folder / "labels").mkdir()
        >>> write_png(folder / "photos" / "a.png", np.zeros((2, 2, 3), dtype="uint8"))
        >>> write_png(folder / "labels" / "a.png", np.zeros((2, 2), dtype="uint8"))
        >>> pairs = folder_pairs(folder / "photos", folder / "labels")
        >>> [(image.name, labels.name) for image, labels in pairs]
        [('a.png', 'a.png')]
    """
    images = _files_by_stem(images_folder, PICTURE_SUFFIXES)
    labels = _files_by_stem(labels_folder, (".png",))
    for stem, path in sorted({**labels, **images}.items()):
        if stem not in labels:
            partner = pathlib.Path(labels_folder) / f"{stem}.png"
            raise ValueError(f"{path} has no label map; add {partner} or remove it")
        if stem not in images:
            raise ValueError(
                f"{path} has no image of the same name in {images_folder}; "
                "add the image or remove the label map"
            )
    return [(images[stem], labels[stem]) for stem in sorted(images)]


def data_folder():
    """Return the folder where downloaded data sets are looked for.

    The environment variable `FCNLIB_DATA` names it. Without that it is `data/` of the
    checkout, and where fcnlib was installed without a checkout, `data/` of the current
    folder.

    Returns:
        Absolute path; the folder may not exist.

    Example:
        >>> data_folder().is_absolute()
        True
    """
    checkout = pathlib.Path(__file__).parents[1]
    folder = checkout if (checkout / _HORSE_LIST).is_file() else pathlib.Path()
    return pathlib.Path(os.environ.get("FCNLIB_DATA") or folder / "data").absolute()


def horse_files(split):
    """List the files of a split of the Weizmann horses with their SHA-256.

    Args:
        split: "train", "val" or "test".

    Returns:
        Dictionary from path to SHA-256, each photograph followed by its mask. The
        paths start in the folder of `load_horses`.

    Raises:
        ValueError: If there is no such split.

    Example:
        >>> for path in list(horse_files("train"))[:2]:
        ...     print(path)
        weizmann_horse_db/rgb/horse002.jpg
        weizmann_horse_db/figure_ground/horse002.jpg
    """
    if split not in HORSE_SPLITS:
        expected = ", ".join(HORSE_SPLITS)
        raise ValueError(f"split {split} is unknown; expected {expected}")
    package = pathlib.Path(__file__).parent
    # In a checkout the list lies beside the package, in an installed one inside it.
    lists = [folder / _HORSE_LIST for folder in (package.parent, package)]
    path = next(path for path in lists if path.is_file())
    with open(path, encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return {
        f"weizmann_horse_db/{kind}/{row['name']}.jpg": row[f"{kind}_sha256"]
        for row in rows
        for kind in ("rgb", "figure_ground")
    }


def load_horses(split, folder=None):
    """Load one split of the Weizmann horses, photographs with masks of one horse each.

    Every file is checked against its SHA-256. Most masks are smaller than their
    photographs, a few are larger, and all have the same shape: each photograph is
    brought to the size of its mask, by averaging where it shrinks. The masks are JPEG
    files, with values near 0 and near 255: horse is 128 and more.

    Args:
        split: "train", "val" or "test".
        folder: String or path of the folder that holds `weizmann_horse_db`; by default
            that of `data_folder`.

    Returns:
        List of (image, labels), (H, W, 3) uint8, RGB, and (H, W) uint8, 0 for
        background and 1 for horse, in the order of `horse_files`.

    Raises:
        FileNotFoundError: If the folder lacks files of the split.
        ValueError: If there is no such split, or if a file is not the listed one.

    Example:
        >>> pairs = load_horses("val")  # doctest: +SKIP
        >>> len(pairs)  # doctest: +SKIP
        50
    """
    folder = data_folder() if folder is None else pathlib.Path(folder)
    files = horse_files(split)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(_missing_horses(folder, split, missing))
    contents = {name: (folder / name).read_bytes() for name in files}
    damaged = [
        name
        for name, content in contents.items()
        if hashlib.sha256(content).hexdigest() != files[name]
    ]
    if damaged:
        raise ValueError(
            f"{folder / damaged[0]} is damaged or another file, as its SHA-256 shows "
            f"({len(damaged)} such of {len(files)}); {_horses_advice(folder)}"
        )
    contents = [np.frombuffer(content, "uint8") for content in contents.values()]
    return [
        _decode_horse(photograph, mask)
        for photograph, mask in zip(contents[::2], contents[1::2], strict=True)
    ]


def write_png(path, picture):
    """Write a picture or a label map as a PNG file, whole or not at all.

    Args:
        path: String or path of the file; a file of that name is replaced.
        picture: (H, W, 3) uint8, RGB, or (H, W) uint8.

    Raises:
        OSError: If the file cannot be written; nothing is left behind then.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "black.png"
        >>> write_png(path, np.zeros((4, 4, 3), dtype="uint8"))
        >>> path.exists()
        True
    """
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".png", picture)
    write_file(path, content.tobytes())


def write_file(path, content):
    """Write bytes to a file, whole or not at all.

    The bytes go to a temporary file in the same folder, which takes the name only
    when it is complete.

    Args:
        path: String or path of the file; a file of that name is replaced.
        content: Bytes.

    Raises:
        OSError: If the file cannot be written; nothing is left behind then.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "greeting.txt"
        >>> write_file(path, b"hello")
        >>> path.read_bytes()
        b'hello'
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}); "
            "choose a folder that exists, may be written to and has space left",
        ) from error


def need_space(folder, count):
    """Refuse to write into a folder whose disk has no room.

    Args:
        folder: Path of a folder that exists.
        count: Integer, the bytes that are to be written.

    Raises:
        OSError: If less is free.

    Example:
        >>> need_space(".", 10**18)
        Traceback (most recent call last):
        OSError: [Errno 28] .: expected 1000000000000 MB of free space, but ...
    """
    free = shutil.disk_usage(folder).free
    if free < count:
        raise OSError(
            errno.ENOSPC,
            f"{folder}: expected {count / 1e6:.0f} MB of free space, but there are "
            f"{free / 1e6:.0f}: make space and repeat the call, or choose another "
            "folder",
        )


def batches(pairs, size, batch_size, augment=False, seed=0):
    """Make batches of one size out of pairs of any sizes.

    A picture larger than `size` is shrunk, with its shape kept, until it fits; then
    the right and the bottom are filled up, the image with 0 and the labels with
    void. Images are averaged when they shrink, labels never: each takes the label of
    the nearest pixel.

    With `augment=True` the pairs come in a new order and with a new drawing of flip,
    zoom, rotation, crop, brightness, contrast and color in each epoch. Image and
    label map move together. The same seed gives the same epochs, one after the
    other, with any number of threads.

    Args:
        pairs: List of (image, labels) arrays, (H, W, 3) and (H, W) uint8, or of
            (image path, labels path).
        size: (height, width) of the batches.
        batch_size: Number of pairs in a batch; the last batch may be smaller.
        augment: Whether to shuffle and change the pairs.
        seed: Int, of the shuffling and the changes.

    Returns:
        `tf.data.Dataset` of images, (N, height, width, 3) uint8, and labels,
        (N, height, width) uint8.

    Example:
        >>> from fcnlib import pasture
        >>> pairs = [pasture.draw_scene(seed, 48, 64) for seed in range(3)]
        >>> for images, labels in batches(pairs, size=(32, 32), batch_size=2):
        ...     print(images.shape, labels.shape)
        (2, 32, 32, 3) (2, 32, 32)
        (1, 32, 32, 3) (1, 32, 32)
    """
    pairs = list(pairs)
    if not pairs:
        raise ValueError("no pairs came; expected at least one image with its labels")
    height, width = _checked_size(size)
    epochs = itertools.count()

    def draw_epoch():
        """Return the order of the pairs and one seed for each."""
        random = np.random.default_rng([seed, next(epochs)])
        order = random.permutation(len(pairs)) if augment else np.arange(len(pairs))
        return order, random.integers(2**62, size=len(pairs))

    def prepare(index, pair_seed):
        """Return one image and its labels at the size of the batches."""
        image, labels = _shrink(*load_pair(*pairs[index]), (height, width))
        if augment:
            return _augment(image, labels, (height, width), pair_seed)
        return _pad(image, labels, (height, width))

    def epoch_tensors(_):
        """Call `draw_epoch` from a TensorFlow graph, once an epoch."""
        drawn = tf.numpy_function(draw_epoch, [], (tf.int64, tf.int64))
        return tf.data.Dataset.from_tensor_slices(tuple(drawn))

    return (
        tf.data.Dataset.range(1)
        .flat_map(epoch_tensors)
        .apply(tf.data.experimental.assert_cardinality(len(pairs)))
        .map(
            lambda *drawn: _call_numpy(prepare, drawn, (height, width)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(_checked_batch_size(batch_size))
        .prefetch(tf.data.AUTOTUNE)
    )


def pasture_batches(seeds, sizes, batch_size):
    """Draw scenes batch by batch, each batch at the next of several sizes.

    Nothing is kept in memory, so that a network can be trained on any number of
    scenes. The order is that of the seeds.

    Args:
        seeds: Sequence of int, the scenes, see `pasture.draw_scene`.
        sizes: List of (height, width); batch `i` has size `i % len(sizes)`.
        batch_size: Number of scenes in a batch; the last batch may be smaller.

    Returns:
        `tf.data.Dataset` of images, (N, H, W, 3) uint8, and labels, (N, H, W) uint8.

    Example:
        >>> dataset = pasture_batches(range(3), [(32, 32), (32, 48)], batch_size=2)
        >>> for images, labels in dataset:
        ...     print(images.shape, labels.shape)
        (2, 32, 32, 3) (2, 32, 32)
        (1, 32, 48, 3) (1, 32, 48)
    """
    seeds = list(seeds)
    sizes = [_checked_size(size) for size in sizes]
    if not seeds or not sizes:
        raise ValueError(
            f"{len(seeds)} seeds and {len(sizes)} sizes came; "
            "expected at least one of each"
        )
    starts = range(0, len(seeds), _checked_batch_size(batch_size))

    def draw(index):
        """Return the images and labels of one batch."""
        first = starts[index]
        height, width = sizes[index % len(sizes)]
        return pasture.draw_scenes(seeds[first : first + batch_size], height, width)

    return (
        tf.data.Dataset.range(len(starts))
        .map(
            lambda index: _call_numpy(draw, [index], (None, None, None)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def _call_numpy(function, arguments, shape):
    """Call a function that returns images and labels from a TensorFlow graph."""
    images, labels = tf.numpy_function(function, arguments, (tf.uint8, tf.uint8))
    images.set_shape((*shape, 3))
    labels.set_shape(shape)
    return images, labels


def _missing_horses(folder, split, missing):
    """Say which horses a folder lacks, and what to do."""
    complete = [
        each
        for each in HORSE_SPLITS
        if all((folder / name).is_file() for name in horse_files(each))
    ]
    total = len(horse_files(split))
    if len(missing) < total:
        state = f"lacks {len(missing)} of {total} files of {split}, first {missing[0]}"
    elif complete:
        state = f"holds the horses of {' and '.join(complete)}, but none of {split}"
    else:
        state = f"holds no horses of {split}"
    return f"{folder} {state}; {_horses_advice(folder)}"


def _horses_advice(folder):
    """Say how the horses get into a folder."""
    return (
        f'run: python -m fcnlib download horses --to "{folder}", or put the folders '
        f"rgb and figure_ground into {folder / 'weizmann_horse_db'} by hand"
    )


def _decode_horse(photograph, mask):
    """Return a photograph at the size of its mask, and the mask as labels."""
    labels = cv2.imdecode(mask, cv2.IMREAD_GRAYSCALE) >= 128
    image = cv2.cvtColor(cv2.imdecode(photograph, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    size = labels.shape[::-1]  # OpenCV wants the width first
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image, labels.astype("uint8")


def _read_bytes(path):
    """Return a file's content, or raise an error that says what is wrong with it."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; give the path of a picture")
    content = path.read_bytes()
    if not content:
        raise ValueError(f"{path} is empty; expected a picture, copy or save it again")
    return content


def _open_with_pillow(path, content):
    """Return a decoded Pillow picture, or None if Pillow does not know the format."""
    try:
        picture = PIL.Image.open(io.BytesIO(content))
        picture.load()
    except PIL.UnidentifiedImageError:
        return None
    except (
        OSError,
        SyntaxError,
        ValueError,
        PIL.Image.DecompressionBombError,
    ) as error:
        raise _damaged(path, error) from error
    return picture


def _damaged(path, reason):
    """Return the error for a file that cannot be decoded."""
    reason = " ".join(str(reason).split())
    return ValueError(
        f"{path} is damaged or no picture ({reason}); copy or save it again"
    )


def _size_text(picture):
    """Return a picture's height and width as text."""
    return f"{picture.shape[0]} x {picture.shape[1]}"


def _files_by_stem(folder, suffixes):
    """Return a folder's files with one of the suffixes as a dict of stem to path."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give one with pictures")
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        if path.stem in files:
            raise ValueError(
                f"{files[path.stem]} and {path} have one name; keep only one of them"
            )
        files[path.stem] = path
    if not files:
        raise ValueError(f"{folder} holds no file that ends with {', '.join(suffixes)}")
    return files


def _checked_size(size):
    """Return a size as two int, or raise an error."""
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is {size}; expected (height, width), both at least 1")
    return int(size[0]), int(size[1])


def _checked_batch_size(batch_size):
    """Return the batch size, or raise an error."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected at least 1")
    return batch_size


def _shrink(image, labels, size):
    """Shrink a pair, with its shape kept, until it fits into a size."""
    height, width = labels.shape
    scale = min(size[0] / height, size[1] / width)
    if scale >= 1:
        return image, labels
    # OpenCV wants the width first.
    smaller = max(1, round(width * scale)), max(1, round(height * scale))
    return (
        cv2.resize(image, smaller, interpolation=cv2.INTER_AREA),
        cv2.resize(labels, smaller, interpolation=cv2.INTER_NEAREST_EXACT),
    )


def _pad(image, labels, size):
    """Fill a pair up to a size at the bottom and at the right."""
    bottom, right = size[0] - labels.shape[0], size[1] - labels.shape[1]
    border = (0, bottom, 0, right, cv2.BORDER_CONSTANT)
    return (
        cv2.copyMakeBorder(image, *border, value=(0, 0, 0)),
        cv2.copyMakeBorder(labels, *border, value=VOID),
    )


def _augment(image, labels, size, seed):
    """Move a pair by one drawn transformation and change the image's colors."""
    random = np.random.default_rng(seed)
    matrix = _draw_motion(labels.shape, size, random)
    size = size[1], size[0]  # OpenCV wants the width first
    image = cv2.LUT(image, _draw_color_table(random))
    image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
    labels = cv2.warpAffine(
        labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=VOID
    )
    return image, labels


def _draw_motion(old_size, new_size, random):
    """Draw flip, zoom, rotation and crop as one 2 x 3 matrix for OpenCV."""
    flip = random.choice((-1, 1))
    zoom = math.exp(random.uniform(math.log(0.8), math.log(1.6)))
    angle = math.radians(random.uniform(-10, 10))
    turn = zoom * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    turn[:, 0] *= flip  # mirrors columns, x of OpenCV's (x, y)
    old, new = np.array(old_size)[::-1], np.array(new_size)[::-1]
    # A zoomed picture larger than the new size is cropped anywhere, a smaller
    # one is placed anywhere.
    center = zoom * old / 2 + random.uniform(size=2) * (new - zoom * old)
    shift = (center - 0.5) - turn @ (old - 1) / 2
    return np.column_stack((turn, shift))


def _draw_color_table(random):
    """Draw brightness, contrast and color as a new value for each old one."""
    brightness = random.uniform(-30, 30)
    contrast = random.uniform(0.75, 1.3)
    color = random.uniform(0.9, 1.1, size=3)
    values = np.arange(256)[:, None]
    table = (values - 128) * contrast * color + 128 * color + brightness
    return np.clip(np.rint(table), 0, 255).astype("uint8")[None]  # (1, 256, 3)
