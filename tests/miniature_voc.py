"""Write miniature trees of Pascal VOC, SBD, CamVid and Oxford Pets from pastures.

Each tree has the layout, the file formats and the quirks of the real one; the pictures
are drawn scenes of a few odd sizes. The same name is the same scene in every tree.
"""

import io
import pathlib

import numpy as np
import PIL.Image
import scipy.io

from fcnlib import pasture

SIZES = ((75, 100), (100, 75), (66, 93), (101, 67))  # (height, width)
VOID = 255

# The number of sky, grass, tree, fence and horse in each data set.
VOC_CLASSES = (0, 0, 16, 9, 13)  # background, potted plant, chair, horse
CAMVID_CLASSES = (0, 3, 5, 7, 8)  # sky, road, tree, fence, car
CAMVID_VOID = 11
PETS_TRIMAP = (2, 2, 2, 2, 1)  # 1 pet, 2 background
PETS_UNSURE = 3


def draw(name, classes=VOC_CLASSES, void=VOID):
    """Return the scene that a name stands for, in the numbers of a data set.

    Args:
        name: String that ends with its number, such as "2008_000003".
        classes: Numbers of sky, grass, tree, fence and horse.
        void: Number of void.

    Returns:
        The image, (H, W, 3) uint8, RGB, and the labels, (H, W) uint8.
    """
    seed = int(name.split("_")[-1])
    image, labels = pasture.draw_scene(seed, *SIZES[seed % len(SIZES)])
    table = np.full(256, void, "uint8")
    table[: len(classes)] = classes
    return image, table[labels]


def palette():
    """Return the colors of VOC, three numbers a class, as a flat list of 768."""
    colors = np.zeros((256, 3), int)
    for number in range(256):
        for bit in range(8):
            for channel in range(3):
                colors[number, channel] |= (
                    (number >> (3 * bit + channel)) & 1
                ) << 7 - bit
    return colors.ravel().tolist()


def voc_names(split, year=2012):
    """Return the names in a list of the miniature VOC: 6 train, 4 val, or both."""
    if split == "trainval":
        return sorted(voc_names("train", year) + voc_names("val", year))
    numbers = {"train": range(1, 12, 2), "val": range(2, 10, 2)}[split]
    return [f"{2007 + number % 2}_{number:06d}" for number in numbers]


# SBD covers most of VOC and more: its own lists cut across those of VOC.
SBD_NAMES = {
    "train": ["2008_000001", "2007_000002", "2008_000003", "2007_000006"]
    + [f"2010_{number:06d}" for number in (20, 21, 22)],
    "val": ["2008_000005", "2007_000004", "2010_000030", "2010_000031"],
}


def write_voc(folder, year=2012):
    """Write a miniature VOC, as its archive unpacks, and return its own folder.

    Args:
        folder: Path of the folder that gets `VOCdevkit`, or `TrainVal` in 2011.
        year: 2011 or 2012.
    """
    above = pathlib.Path(folder) / ("TrainVal" if year == 2011 else "")
    root = above / "VOCdevkit" / f"VOC{year}"
    for name in voc_names("trainval", year):
        image, labels = draw(name)
        _write_jpeg(root / "JPEGImages" / f"{name}.jpg", image)
        write_palette_png(root / "SegmentationClass" / f"{name}.png", labels)
        write_palette_png(root / "SegmentationObject" / f"{name}.png", labels)
    _write_jpeg(root / "JPEGImages" / "2009_000040.jpg", draw("2009_000040")[0])
    for split in ("train", "val", "trainval"):
        lines = voc_names(split, year)
        _write_lines(root / "ImageSets" / "Segmentation" / f"{split}.txt", lines)
        _write_lines(root / "ImageSets" / "Main" / f"{split}.txt", lines)
    return root


def write_sbd(folder):
    """Write a miniature SBD into a folder, and return `benchmark_RELEASE/dataset`."""
    root = pathlib.Path(folder) / "benchmark_RELEASE" / "dataset"
    for split, names in SBD_NAMES.items():
        _write_lines(root / f"{split}.txt", names)
        for name in names:
            image, labels = draw(name, void=0)  # SBD knows no void
            _write_jpeg(root / "img" / f"{name}.jpg", image)
            write_mat(root / "cls" / f"{name}.mat", labels)
    return root


def write_camvid(folder):
    """Write a miniature CamVid in SegNet's layout into a folder, and return it."""
    root = pathlib.Path(folder) / "CamVid"
    sizes = {"train": range(1, 5), "val": range(5, 7), "test": range(7, 10)}
    for split, numbers in sizes.items():
        names = [f"0001TP_{number:06d}" for number in numbers]
        for name in names:
            image, labels = draw(name, CAMVID_CLASSES, CAMVID_VOID)
            _write_png(root / split / f"{name}.png", image)
            _write_png(root / f"{split}annot" / f"{name}.png", labels)
        # The published lists hold the paths of another machine.
        lines = [
            f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png"
            for name in names
        ]
        _write_lines(root / f"{split}.txt", lines)
    return root


def write_pets(folder):
    """Write miniature Oxford Pets into a folder, and return it."""
    root = pathlib.Path(folder)
    splits = {
        "trainval": ["Abyssinian_1", "Abyssinian_2", "beagle_3", "yorkshire_terrier_4"],
        "test": ["Abyssinian_5", "american_bulldog_6", "beagle_7"],
    }
    for split, names in splits.items():
        for name in names:
            image, trimap = draw(name, PETS_TRIMAP, PETS_UNSURE)
            _write_jpeg(root / "images" / f"{name}.jpg", image)
            _write_png(root / "annotations" / "trimaps" / f"{name}.png", trimap)
            # What a Mac packed beside each file.
            _write_lines(root / "annotations" / "trimaps" / f"._{name}.png", ["Mac"])
        lines = [f"{name} 1 1 1" for name in names]
        _write_lines(root / "annotations" / f"{split}.txt", lines)
    lines = ["#Image CLASS-ID SPECIES BREED ID", *map(str, splits)]
    _write_lines(root / "annotations" / "list.txt", lines)
    return root


def write_palette_png(path, labels):
    """Write labels as VOC does: a PNG file of numbers with a palette of colors."""
    picture = PIL.Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette(palette())
    _save(picture, path, "PNG")


def paint_mask(path):
    """Break a mask: replace its numbers by the colors of its palette, as RGB."""
    _save(PIL.Image.open(path).convert("RGB"), path, "PNG")


def write_mat(path, labels):
    """Write labels as SBD does: a MATLAB file with a struct `GTcls`."""
    present = np.unique(labels)
    truth = {
        "Boundaries": np.zeros((20, 1), object),
        "Segmentation": labels,
        "CategoriesPresent": present[present > 0][:, None],
    }
    content = io.BytesIO()
    scipy.io.savemat(content, {"GTcls": truth}, do_compression=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.getvalue())


def _write_jpeg(path, image):
    """Write an image as a JPEG file."""
    _save(PIL.Image.fromarray(image), path, "JPEG", quality=95)


def _write_png(path, picture):
    """Write an image or a label map as a PNG file without a palette."""
    _save(PIL.Image.fromarray(picture), path, "PNG")


def _save(picture, path, form, **options):
    """Write a Pillow picture, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, form, **options)


def _write_lines(path, lines):
    """Write a text file, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
