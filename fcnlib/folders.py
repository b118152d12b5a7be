"""Find what is wrong with a folder of images and label maps before training does."""

import collections
import io
import numbers
import pathlib
import textwrap

import cv2
import numpy as np
import PIL.Image

# Kinds of findings that are worth knowing and do no harm.
_NOTES = (
    *("palette", "absent class", "gaps", "alpha channel", "16-bit image"),
    "perhaps a mask",
)

# A softened map can hold all 256 numbers, and nobody reads so many.
_LISTED_SHARES = 40

# What one label map holds, number by number, and how its edges look.
_Map = collections.namedtuple("_Map", "path counts between cores ramps jumps colors")


class Finding(collections.namedtuple("Finding", "path kind expected found advice")):
    """One thing that is wrong with a file, or that is worth knowing about it.

    The kind is a word or two; the other entries are the parts of one sentence.

    Example:
        >>> from fcnlib import folders
        >>> finding = folders.Finding("a.png", "size", "8 x 8", "9 x 9", "crop it")
        >>> print(finding)
        a.png: expected 8 x 8, but got 9 x 9: crop it.
        >>> finding.is_note
        False
    """

    __slots__ = ()

    @property
    def is_note(self):
        """Whether training is right in spite of it."""
        return self.kind in _NOTES

    def __str__(self):
        """Return the sentence."""
        return (
            f"{self.path}: expected {self.expected}, but got {self.found}: "
            f"{self.advice}."
        )


class Report(list):
    """A list of findings that prints as a count, the first ten and the classes.

    `pairs` is the number of images that have a label map, and `counts` an array of 256
    numbers: the pixels with each number in all label maps that could be read.

    Example:
        >>> from fcnlib import folders
        >>> report = folders.Report()
        >>> report.add("a.png", "all void", "a class", "only 255", "remove it")
        >>> print(report)
        0 pairs, 1 problem (1 all void), 0 notes.
        a.png: expected a class, but got only 255: remove it.
    """

    def __init__(self):
        """Start without findings."""
        super().__init__()
        self.pairs = 0
        self.counts = np.zeros(256, "int64")

    @property
    def problems(self):
        """List of the findings that have to be repaired before training."""
        return [finding for finding in self if not finding.is_note]

    def add(self, path, kind, expected, found, advice):
        """Append a finding.

        Args:
            path: Path of the file or of the folder.
            kind: String, a word or two.
            expected: String, what was expected.
            found: String, what came.
            advice: String, what to do.
        """
        self.append(Finding(path, kind, expected, found, advice))

    def __str__(self):
        """Return the counts, the first ten findings and the share of each class."""
        kinds = collections.Counter(finding.kind for finding in self.problems)
        listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        problems = _count(kinds.total(), "problem") + (listed and f" ({listed})")
        notes = _count(len(self) - kinds.total(), "note")
        lines = [f"{_count(self.pairs, 'pair')}, {problems}, {notes}."]
        lines += map(str, self[:10])
        if len(self) > 10:
            lines.append(f"... and {len(self) - 10} more.")
        if self.counts.any():
            lines.append(f"pixels: {self._list_shares()}")
        return "\n".join(lines)

    __repr__ = __str__

    def _list_shares(self):
        """Return the share of each number among all pixels as text."""
        used = np.flatnonzero(self.counts)
        listed = used[:_LISTED_SHARES]
        shares = 100 * self.counts[listed] / self.counts.sum()
        names = ["void" if number == 255 else number for number in listed]
        pairs = zip(names, shares, strict=True)
        text = ", ".join(f"{name} {share:.1f} %" for name, share in pairs)
        more = len(used) - len(listed)
        return f"{text} and {_count(more, 'other number')}" if more else text


def inspect_folder(images_folder, labels_folder, num_classes=None):
    """Look for the traps of label maps in a folder, file by file.

    Found are files without a partner, files that cannot be read, that differ in size
    from their partner or that are no label maps (painted in colors, JPEG whatever their
    ending, 16 bits, with an alpha channel), masks of 0 and 255 whose 255 would be taken
    for void, edges that an interpolation or antialiasing has softened, classes that are
    counted from 1, numbers that are no class, and maps that are all void. What is no
    fault, or may be none, such as a palette, a class that never occurs, or one map of
    0 and 255 among others, is noted. A bad file never
    raises an error.

    Args:
        images_folder: String or path of the folder with pictures.
        labels_folder: String or path of the folder with label maps, matched by name up
            to the last dot.
        num_classes: Integer from 2 to 255, the number of classes without void; by
            default it is guessed from the label maps.

    Returns:
        `Report`: a list of `Finding`, empty for a healthy folder.

    Raises:
        FileNotFoundError: If one of the folders does not exist.
        ValueError: If the number of classes is not one of those above.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from fcnlib import datasets, folders
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "photos").mkdir()
        >>> (folder / "labels").mkdir()
        >>> image, mask = np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4), "uint8")
        >>> mask[:2] = 255
        >>> datasets.write_png(folder / "photos" / "a.png", image)
        >>> datasets.write_png(folder / "labels" / "a.png", mask)
        >>> report = folders.inspect_folder(folder / "photos", folder / "labels")
        >>> [(finding.path.name, finding.kind) for finding in report]
        [('a.png', '0/255 mask')]
    """
    if num_classes is not None and (
        not isinstance(num_classes, numbers.Integral) or not 2 <= num_classes <= 255
    ):
        raise ValueError(
            "num_classes must be a whole number from 2 to 255, but is "
            f"{num_classes!r}: count the classes without void."
        )
    report, maps = Report(), []
    images = _list_pictures(images_folder, report)
    labels = _list_pictures(labels_folder, report)
    for stem in sorted({**images, **labels}):
        if stem not in labels:
            _report_unmatched(images[stem], "label map", labels_folder, report)
        elif stem not in images:
            _report_unmatched(labels[stem], "image", images_folder, report)
        else:
            report.pairs += 1
        image_size = stem in images and _inspect_image(images[stem], report)
        labels_size = stem in labels and _inspect_labels(labels[stem], report, maps)
        if image_size and labels_size and image_size != labels_size:
            _report_sizes(labels[stem], labels_size, image_size, report)
    report.counts = sum((each.counts for each in maps), report.counts)
    _inspect_numbers(pathlib.Path(labels_folder), maps, num_classes, report)
    report.sort(key=lambda finding: finding.is_note)
    return report


def _list_pictures(folder, report):
    """Return the pictures of a folder by their names up to the last dot."""
    # datasets offers inspect_folder too, so that it cannot be imported at the top.
    from fcnlib import datasets

    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give one with pictures")
    pictures = {}
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.name.startswith(".") or suffix not in datasets.PICTURE_SUFFIXES:
            continue
        first = pictures.setdefault(path.stem, path)
        if first is not path:
            found = f"{first.name} as well"
            report.add(
                path, "double name", "one file of this name", found, "keep only one"
            )
    if not pictures:
        report.add(folder, "empty", "pictures", "none", "give the folder of the files")
    return pictures


def _report_unmatched(path, partner, folder, report):
    """Report a file without a partner."""
    advice = f"add {partner} {path.stem} to {folder}, or remove this file"
    report.add(path, "unmatched", f"a {partner} of the same name", "none", advice)


def _report_sizes(path, size, image_size, report):
    """Report a label map of another size than its image."""
    expected = "{} x {} pixels, as its image has".format(*image_size)
    advice = "make the labels anew at that size, or resize with nearest neighbor"
    if size == image_size[::-1]:
        advice = "turn the labels: the camera noted a rotation in the photograph"
    report.add(path, "size", expected, "{} x {}".format(*size), advice)


def _report_unreadable(path, expected, error, report):
    """Report a file that no reader can decode."""
    reason = textwrap.shorten(str(error) or type(error).__name__, width=150)
    if isinstance(error, PIL.UnidentifiedImageError):
        reason = "no known format"  # Pillow would name the bytes and not the file
    found = f"a file that cannot be read ({reason})"
    report.add(path, "unreadable", expected, found, "copy or save it again")


def _inspect_image(path, report):
    """Return the height and width of an image, None if it cannot be read."""
    from fcnlib import datasets

    try:
        size = datasets.read_image(path).shape[:2]
        opaque, bits = _describe_image(path)
    except Exception as error:  # no damage may end the inspection
        return _report_unreadable(path, "a picture", error, report)
    if not opaque:
        advice = "check the colors under them, which are what is read"
        report.add(
            path, "alpha channel", "an opaque picture", "transparent pixels", advice
        )
    if bits == 16:
        advice = "scale the values to 0..255 if the picture comes out dark"
        report.add(path, "16-bit image", "8 bits", "16, lower half ignored", advice)
    return size


def _describe_image(path):
    """Return whether a picture is opaque, and the bits of a sample."""
    content = path.read_bytes()
    try:
        picture = PIL.Image.open(io.BytesIO(content))
    except PIL.UnidentifiedImageError:
        return True, 8  # a format that only OpenCV knows
    alpha = "A" in picture.getbands()
    opaque = not alpha or picture.getchannel("A").getextrema()[0] == 255
    # Pillow halves the bits of some PNG files, so the header is asked.
    sixteen = picture.mode.startswith("I") or (
        picture.format == "PNG" and content[24] == 16
    )
    return opaque, 16 if sixteen else 8


def _inspect_labels(path, report, maps):
    """Return the height and width of a label map, None if it cannot be read.

    What the numbers of a sound file are is appended to the maps.
    """
    from fcnlib import datasets

    try:
        picture = PIL.Image.open(io.BytesIO(path.read_bytes()))
        picture.load()
        fault = _find_format(picture)
        if fault:
            report.add(path, *fault)
        else:
            maps.append(_measure(path, datasets.read_labels(path), picture))
    except Exception as error:  # no damage may end the inspection
        return _report_unreadable(path, "a label map", error, report)
    return picture.height, picture.width


def _find_format(picture):
    """Return what is wrong with a picture that is no PNG of one channel with 8 bits."""
    if picture.format == "JPEG":
        advice = "save the labels as PNG from the start, as JPEG changes the numbers"
        return "JPEG", "PNG, which keeps the numbers", "a JPEG file", advice
    if picture.format != "PNG":
        return "not PNG", "PNG", f"a {picture.format} file", "save the labels as PNG"
    if picture.mode.startswith("I"):
        found = f"16, with numbers up to {picture.getextrema()[1]}"
        return "16 bits", "8 bits", found, "save numbers up to 254 with 8 bits"
    if picture.mode in ("LA", "RGB", "RGBA"):
        return _find_channels(picture)
    return None


def _find_channels(picture):
    """Return what is wrong with a label map of several channels."""
    pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    expected = "one channel of class numbers"
    alpha = ", with an alpha channel" if "A" in picture.getbands() else ""
    if (pixels == pixels[:, :1]).all():
        found = f"gray values in {len(picture.getbands())} channels{alpha}"
        return "several channels", expected, found, "save one of them alone"
    colors = np.unique(pixels, axis=0)
    example = tuple(colors[-1].tolist())
    found = f"a map painted in {_count(len(colors), 'color')}, one {example}{alpha}"
    advice = "turn each color into the number of its class"
    return "painted", expected, found, advice


def _measure(path, labels, picture):
    """Count the numbers of a label map, and look at its edges and its palette."""
    window = np.ones((3, 3), "uint8")
    lowest, highest = cv2.erode(labels, window), cv2.dilate(labels, window)
    between = (lowest < labels) & (labels < highest)
    ramps, jumps = np.add(_count_edges(labels), _count_edges(labels.T)).tolist()
    counts, colors = _count_numbers(labels), {}
    if picture.mode == "P":
        palette = np.reshape(picture.getpalette("RGB"), (-1, 3)).tolist()
        used = np.flatnonzero(counts[: len(palette)]).tolist()
        colors = {number: tuple(palette[number]) for number in used}
    return _Map(
        *(path, counts, _count_numbers(labels[between])),
        *(_count_numbers(labels[lowest == highest]), ramps, jumps, colors),
    )


def _count_numbers(labels):
    """Return how often each number from 0 to 255 occurs."""
    return np.bincount(labels.ravel(), minlength=256)


def _count_edges(labels):
    """Count, along columns, the edges that pass through a class and those that jump.

    From class 0 to class 2, a drawn edge jumps; an interpolated one passes through 1.
    """
    values = np.where(labels == 255, 1000, labels).astype("int16")
    first, middle, last = values[:-2], values[1:-1], values[2:]
    rising = (first < middle) & (middle < last) & (last < 255)
    falling = (first > middle) & (middle > last) & (first < 255)
    steps = np.abs(np.diff(values, axis=0))
    jumps = (steps >= 2) & (steps < 255)  # larger ones lead to void
    return np.count_nonzero(rising | falling), np.count_nonzero(jumps)


def _inspect_numbers(folder, maps, num_classes, report):
    """Look at the numbers of all label maps together, then at those of each."""
    classes = _settle_classes(maps)
    are_masks = classes == [0] and report.counts[1:].any()
    limit = num_classes or max(classes, default=0) + 1
    from_one = 1 in classes and 0 not in classes and num_classes in (None, classes[-1])
    for each in maps:
        _inspect_values(each, are_masks, limit + from_one, report)
    if from_one:
        report.add(
            *(folder, "off by one", "classes counted from 0"),
            f"{_enumerate(classes)}, and 0 nowhere",
            "subtract 1 from all numbers but 255",
        )
    elif not are_masks:
        _inspect_classes(folder, classes, num_classes, report)
    _inspect_palettes(maps, report)


def _settle_classes(maps):
    """Return the numbers that are classes, and not the remains of softened edges."""
    counts, between, cores = np.zeros((3, 256), "int64")
    for each in maps:
        counts, between = counts + each.counts, between + each.between
        cores = cores + each.cores
    # Near 0 and near 255, and hardly anywhere else: a mask that once was a JPEG file.
    if counts[224:255].any() and counts[31:224].sum() < 0.05 * counts.sum():
        return [0]
    settled = (counts > 2 * between)[:255]
    # A thin class may have no pixel among its like, but not so many classes.
    thin = ((counts > 0) & (cores <= 0.02 * counts))[:255]
    if np.count_nonzero(thin) > 8:
        settled &= ~thin
    return np.flatnonzero(settled).tolist()


def _inspect_values(each, are_masks, limit, report):
    """Look for void and numbers that are no class in one label map."""
    used = np.flatnonzero(each.counts).tolist()
    if are_masks and used[-1] > 0:
        found = "a mask of 0 and 255, where 255 would be void"
        report.add(each.path, "0/255 mask", "class 1", found, "save 1 in place of 255")
    elif used == [0, 255]:
        found = "only 0 and 255, as in a mask, where 255 is void"
        advice = "save the class in place of 255, unless these pixels are void"
        report.add(each.path, "perhaps a mask", "classes", found, advice)
    elif used == [255]:
        advice = "remove the pair, or label it"
        report.add(each.path, "all void", "pixels of a class", "only 255", advice)
    foreign = [number for number in used if limit <= number < 255]
    between = 2 * each.between[foreign].sum() > each.counts[foreign].sum()
    if each.ramps >= 30 and 4 * each.ramps > each.jumps:
        found = f"edges that pass through other numbers at {each.ramps} pixels"
        _report_softened(each.path, found, report)
    elif between or len(foreign) > 16:
        found = f"numbers in between, such as {_enumerate(foreign)}"
        _report_softened(each.path, found, report)
    elif foreign:
        expected = f"classes from 0 to {limit - 1}, or 255 for void"
        advice = "give these pixels a class or 255; if classes count from 1, subtract 1"
        report.add(each.path, "no class", expected, _enumerate(foreign), advice)


def _report_softened(path, found, report):
    """Report a label map whose edges are antialiased or interpolated."""
    advice = "save it without antialiasing, and resize with nearest neighbor only"
    report.add(path, "softened edges", "hard edges between classes", found, advice)


def _inspect_classes(folder, classes, num_classes, report):
    """Look for classes that occur nowhere in the folder."""
    if len(classes) == 1:
        found = f"{classes[0]} everywhere"
        report.add(
            folder, "one class", "several classes", found, "add others to learn from"
        )
    absent = sorted(set(range(num_classes or 0)) - set(classes))
    if absent and classes:
        advice = "add pictures of it, or leave it out"
        found = f"no pixel of {_enumerate(absent)}"
        report.add(folder, "absent class", "every class somewhere", found, advice)
    if num_classes is None and classes and classes[-1] >= max(32, 8 * len(classes)):
        advice = "pass num_classes if this is right, or number the classes 0, 1, 2 ..."
        found = _enumerate(classes)
        report.add(folder, "gaps", "classes without large gaps", found, advice)


def _inspect_palettes(maps, report):
    """Look whether the palettes of label maps give their numbers the same colors."""
    known, painted = {}, [each for each in maps if each.colors]
    for each in painted:
        for number, color in each.colors.items():
            first, path = known.setdefault(number, (color, each.path))
            if first != color:
                found = f"{color}, which means another class if colors tell the classes"
                expected = f"color {first} for number {number}, as in {path.name}"
                advice = "save all with one palette whose numbers are the classes"
                report.add(each.path, "palettes differ", expected, found, advice)
                break
    if painted:
        found = f"a palette, so in {len(painted)} of {len(maps)} label maps"
        advice = "check that its numbers are the classes, since its colors are not read"
        report.add(painted[0].path, "palette", "plain numbers", found, advice)


def _count(number, word):
    """Return a number with its word."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def _enumerate(values):
    """Return the first few of some numbers as text."""
    more = ", ..." if len(values) > 6 else ""
    return ", ".join(map(str, values[:6])) + more
