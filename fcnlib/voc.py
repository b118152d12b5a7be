"""Find the pairs of Pascal VOC, SBD, CamVid and Oxford Pets in their own folders."""

import collections
import os
import pathlib

import numpy as np

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car"),
    *("cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person"),
    *("pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
CAMVID_CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
PETS_CLASSES = ("background", "pet")

VOC_SPLITS = ("train", "val", "trainval")
SBD_SPLITS = ("seg11valid", "sbd-train", "paper-train")  # they need SBD as well

# The class of each number that a file may hold; 255 is void. No other may come.
_NUMBERINGS = {
    "voc": {number: number for number in (*range(len(CLASSES)), 255)},
    "camvid": {number: number for number in range(len(CAMVID_CLASSES))} | {11: 255},
    "pets": {1: 1, 2: 0, 3: 255},
}


class LabelFile(collections.namedtuple("LabelFile", "path numbering")):
    """A file of labels whose numbers may have to be changed when they are read.

    It stands wherever the path of a label map can stand, in `datasets.read_pair` and
    `datasets.batches` too.

    Args:
        path: Path of a PNG file, or of a `.mat` file of SBD.
        numbering: "voc", where numbers are classes; "camvid", where 11 is void;
            "pets", where 1 is pet, 2 background and 3 void.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from fcnlib import datasets, voc
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "trimap.png"
        >>> datasets.write_png(path, np.array([[2, 3, 1]], dtype="uint8"))
        >>> datasets.read_labels(voc.LabelFile(path, "pets"))
        array([[  0, 255,   1]], dtype=uint8)
    """

    __slots__ = ()

    def __fspath__(self):
        """Return the path as text."""
        return str(self.path)

    __str__ = __fspath__

    def read(self):
        """Read the file.

        Returns:
            The labels, (H, W) uint8, 255 for void.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is no label map, or holds a number that is no class.
        """
        from fcnlib import datasets  # which imports this module

        read = _read_mat if self.path.suffix == ".mat" else datasets.read_labels
        stored = read(self.path)
        numbers = _NUMBERINGS[self.numbering]
        foreign = sorted(set(np.unique(stored).tolist()) - set(numbers))
        if foreign:
            known = [number for number in numbers if number != 255]
            raise ValueError(
                f"{self.path} holds the number {foreign[0]}; expected class numbers "
                f"from {min(known)} to {max(known)}, or 255 for void, as they are "
                "published: unpack the archive again"
            )
        table = np.zeros(256, "uint8")
        table[list(numbers)] = list(numbers.values())
        return table[stored]


def voc_pairs(folder, split, sbd=None):
    """List the pairs of Pascal VOC 2012 or 2011, or of SBD, which extends it.

    VOC's own splits are "train", "val" and "trainval". Where the folder holds both
    years, they are those of 2012. Three more need SBD:

    - "seg11valid": VOC 2011 val without what SBD trains on, 736 pairs of VOC. The paper
      validates on it (Section 5 of Long et al., 2015).
    - "paper-train": SBD's own list train, 8,498 pairs of SBD. The paper trains on it.
      It shares pictures with VOC val, so score on seg11valid.
    - "sbd-train": SBD's list train without VOC val, pairs of SBD, for those who score
      on VOC val.

    Args:
        folder: String or path of the folder that holds `VOCdevkit`, or of one inside.
        split: String, one of those above.
        sbd: String or path of the folder that holds `benchmark_RELEASE`, or of one
            inside.

    Returns:
        List of (image path, `LabelFile`), in the order of the published list.

    Raises:
        FileNotFoundError: If a folder, a list, or a file that a list names is missing.
        ValueError: If there is no such split, if SBD or VOC 2011 is needed and did not
            come, or if a list is empty.

    Example:
        >>> from fcnlib import datasets
        >>> pairs = datasets.voc_pairs("data", "val")  # doctest: +SKIP
        >>> len(pairs)  # doctest: +SKIP
        1449
    """
    _check_split(split, VOC_SPLITS + SBD_SPLITS)
    if split in SBD_SPLITS:
        if sbd is None:
            raise ValueError(
                f"split {split} needs SBD; give its folder as well, "
                "or run: python -m fcnlib download sbd"
            )
        sbd = _find(sbd, ("benchmark_RELEASE/dataset", "dataset", ""), "cls", "sbd")
        sbd_train = _read_names(sbd / "train.txt")
        if split == "paper-train":
            return _pair_sbd(sbd, sbd_train)
    root = _find_voc(folder, 2011 if split == "seg11valid" else 2012)
    lists = root / "ImageSets" / "Segmentation"
    if split in VOC_SPLITS:
        return _pair_voc(root, _read_names(lists / f"{split}.txt"))
    voc_val = _read_names(lists / "val.txt")
    if split == "seg11valid":
        return _pair_voc(root, _subtract(voc_val, sbd_train))
    return _pair_sbd(sbd, _subtract(sbd_train, voc_val))


def camvid_pairs(folder, split):
    """List the pairs of CamVid as SegNet's authors published it: streets, 11 classes.

    Args:
        folder: String or path of the folder that holds `CamVid`, or of that itself.
        split: "train" (367 pairs), "val" (101) or "test" (233).

    Returns:
        List of (image path, `LabelFile`), in the order of the published list. The
        file's number 11, unlabelled, is read as void.

    Raises:
        FileNotFoundError: If a folder, a list, or a file that a list names is missing.
        ValueError: If there is no such split, or if a list is damaged.

    Example:
        >>> from fcnlib import datasets
        >>> pairs = datasets.camvid_pairs("data", "test")  # doctest: +SKIP
        >>> len(pairs)  # doctest: +SKIP
        233
    """
    _check_split(split, ("train", "val", "test"))
    root = _find(folder, ("CamVid", ""), f"{split}annot", "camvid")
    # The lists name the files of another machine: /SegNet/CamVid/train/NAME.png
    lists = root / f"{split}.txt"
    words = " ".join(_read_lines(lists)).split()
    if len(words) % 2:
        raise ValueError(
            f"{lists} names {len(words)} files; expected an even number, an image and "
            "its label map in turn: unpack the archive again"
        )
    paths = [root.joinpath(*pathlib.PurePosixPath(word).parts[-2:]) for word in words]
    pairs = zip(paths[::2], paths[1::2], strict=True)
    return _checked([(image, LabelFile(labels, "camvid")) for image, labels in pairs])


def pets_pairs(folder, split):
    """List the pairs of the Oxford-IIIT Pets: cats and dogs, pet against background.

    Args:
        folder: String or path of the folder that holds `images` and `annotations`, or
            of the one above.
        split: "trainval" (3,680 pairs) or "test" (3,669).

    Returns:
        List of (image path, `LabelFile`), in the order of the published list. In a
        trimap 1 is read as class 1, pet, 2 as class 0, background, and 3 as void.

    Raises:
        FileNotFoundError: If a folder, a list, or a file that a list names is missing.
        ValueError: If there is no such split, or if a list is empty.

    Example:
        >>> from fcnlib import datasets
        >>> pairs = datasets.pets_pairs("data", "test")  # doctest: +SKIP
        >>> len(pairs)  # doctest: +SKIP
        3669
    """
    _check_split(split, ("trainval", "test"))
    root = _find(folder, ("", "oxford_pets"), "annotations/trimaps", "pets")
    trimaps = root / "annotations" / "trimaps"
    return _checked(
        (root / "images" / f"{name}.jpg", LabelFile(trimaps / f"{name}.png", "pets"))
        for name in _read_names(root / "annotations" / f"{split}.txt")
    )


def _check_split(split, expected):
    """Raise an error if there is no such split."""
    if split not in expected:
        raise ValueError(
            f"split {split} is unknown; expected one of {', '.join(expected)}"
        )


def _find_voc(folder, year):
    """Return the folder VOC2012, or VOC2011 where only that will do or is there."""
    years = (2012, 2011) if year == 2012 else (2011,)
    layouts = [
        f"{above}VOC{each}"
        for each in years
        for above in ("", "VOCdevkit/", "TrainVal/VOCdevkit/")
    ]
    root = _find(folder, (*layouts, ""), "ImageSets/Segmentation", f"voc{year}")
    if year == 2011 and root.name == "VOC2012":
        raise ValueError(
            f"{root} is VOC 2012, but seg11valid is a part of VOC 2011; give the "
            "folder of VOC2011, or run: python -m fcnlib download voc2011"
        )
    return root


def _find(folder, layouts, marker, name):
    """Return the folder of a data set, or raise an error that says what to give."""
    folder = pathlib.Path(folder)
    for root in _places(folder, layouts) if folder.is_dir() else ():
        if (root / marker).is_dir():
            return root
    state = f"holds no {marker}" if folder.is_dir() else "is no folder"
    expected = pathlib.PurePosixPath(next(filter(None, layouts)), marker)
    raise FileNotFoundError(
        f"{folder} {state}; give the folder that holds {expected}, or run: "
        f"python -m fcnlib download {name}"
    )


def _places(folder, layouts):
    """Yield where a data set may lie: in a folder, one folder below, above it."""
    yield from (folder / layout for layout in layouts)
    below = sorted(folder.glob("*/"))
    yield from (place / layout for place in below for layout in layouts)
    yield from folder.absolute().parents[:2]


def _read_names(path):
    """Return the names in a published list, the first word of each line."""
    return [line.split()[0] for line in _read_lines(path)]


def _read_lines(path):
    """Return the lines of a published list that hold something."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, the list of a split; unpack the archive again"
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} names no files; unpack the archive again")
    return lines


def _subtract(names, others):
    """Return the names that are not among the others, in their order, each once."""
    others = set(others)
    return [name for name in dict.fromkeys(names) if name not in others]


def _pair_voc(root, names):
    """Return the pairs of names in VOC."""
    images, masks = root / "JPEGImages", root / "SegmentationClass"
    return _checked(
        (images / f"{name}.jpg", LabelFile(masks / f"{name}.png", "voc"))
        for name in names
    )


def _pair_sbd(root, names):
    """Return the pairs of names in SBD."""
    return _checked(
        (root / "img" / f"{name}.jpg", LabelFile(root / "cls" / f"{name}.mat", "voc"))
        for name in names
    )


def _checked(pairs):
    """Return pairs as a list, or raise an error if a file is missing."""
    pairs = list(pairs)
    paths = [pathlib.Path(path) for pair in pairs for path in pair]
    # A folder is read once, as to ask for thousands of files one by one is slow.
    present = {
        folder: set(os.listdir(folder)) if folder.is_dir() else ()
        for folder in {path.parent for path in paths}
    }
    missing = [path for path in paths if path.name not in present[path.parent]]
    if missing:
        raise FileNotFoundError(
            f"{missing[0]} is missing; of {len(paths)} files that the list of the "
            f"split needs, {len(missing)} are not there: unpack the archive again"
        )
    return pairs


def _read_mat(path):
    """Return the labels, (H, W) uint8, in a MATLAB file of SBD."""
    try:
        import scipy.io
    except ImportError as error:
        raise ValueError(
            f"expected the package scipy to read {path}, but it is not installed: "
            "run python -m pip install scipy"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; unpack SBD's archive again")
    try:
        labels = scipy.io.loadmat(path)["GTcls"]["Segmentation"][0, 0]
        if labels.ndim != 2 or labels.dtype != "uint8":
            raise ValueError(f"{labels.shape}, {labels.dtype}")
    except Exception as error:  # scipy raises almost any kind
        raise ValueError(
            f"{path} is damaged or no label map of SBD "
            f"({' '.join(str(error).split())}); unpack its archive again"
        ) from error
    return labels
