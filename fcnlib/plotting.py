"""Every figure: the colors of the classes, overlays, rows of panels."""

import io
import os
from pathlib import Path

import numpy as np
from IPython.display import Image, display
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

VOID = 255

# The colors of Okabe and Ito, which color-blind people can tell apart, in an order
# that suits the pasture: sky, grass, tree, fence, horse, and two more. Void is white.
PALETTE = np.array(
    [
        [86, 180, 233],
        [0, 158, 115],
        [0, 0, 0],
        [240, 228, 66],
        [213, 94, 0],
        [204, 121, 167],
        [230, 159, 0],
    ],
    dtype=np.uint8,
)
# The order if class 0 is called "background": that is black, and class 1 as a horse.
BACKGROUND_FIRST = [2, 4, 0, 1, 3, 5, 6]

STYLE = ["default", str(Path(__file__).with_name("course.mplstyle"))]
PANELS_IN_A_ROW = 4


def colorize(labels, class_names=()):
    """Paint each pixel of a label map in the color of its class, void in white.

    Args:
        labels: Integer array (H, W) or (N, H, W) of classes from 0 to 6, or 255 for
            void.
        class_names: Names of the classes; they matter only if the first is
            "background", which is painted black.

    Returns:
        The painted map, a uint8 array with a last axis of 3 more.

    Raises:
        ValueError: If a value is neither void nor one of the seven classes.

    Example:

    >>> colorize(np.array([[0, 4, 255]]))
    array([[[ 86, 180, 233],
            [213,  94,   0],
            [255, 255, 255]]], dtype=uint8)
    """
    labels = _check_labels(labels)
    colors = np.full((256, 3), 255, dtype=np.uint8)
    colors[: len(PALETTE)] = PALETTE
    if _has_background(class_names):
        colors[: len(PALETTE)] = PALETTE[BACKGROUND_FIRST]
    return colors[labels]


def overlay(image, labels, class_names=(), opacity=0.5):
    """Tint an image with the colors of its classes, and outline them in white.

    The outline runs along the side of the lower class, so that legs and rails, whose
    classes have high numbers, keep their own color. Void is left as it is, and so is
    class 0 if it is called "background".

    Args:
        image: RGB image (H, W, 3) uint8.
        labels: Integer array (H, W) of classes from 0 to 6, or 255 for void.
        class_names: Names of the classes; they matter only if the first is
            "background".
        opacity: Float from 0 (no tint) to 1.

    Returns:
        The tinted image, (H, W, 3) uint8.

    Raises:
        ValueError: If the image is not (H, W, 3) uint8, if its size is not that of the
            labels, or if a label has no color.

    Example:

    >>> image = np.full((1, 3, 3), 100, dtype=np.uint8)
    >>> overlay(image, np.array([[4, 4, 255]]))
    array([[[156,  97,  50],
            [156,  97,  50],
            [100, 100, 100]]], dtype=uint8)
    """
    image, labels = _check_image(image), _check_labels(labels)
    if image.shape[:2] != labels.shape:
        raise ValueError(
            f"labels must have the size of the image, {image.shape[:2]}, got "
            f"{labels.shape}: resize the labels to it, by nearest neighbor."
        )
    mixed = image * np.float32(1 - opacity)
    mixed += colorize(labels, class_names) * np.float32(opacity)
    bare = labels == VOID
    if _has_background(class_names):
        bare |= labels == 0
    mixed[bare] = image[bare]
    mixed[_outline(labels)] = 255
    return mixed.round().astype(np.uint8)


def show_images(images, titles, alt, class_names=()):
    """Show images and label maps side by side, at most four in a row.

    Args:
        images: List of RGB images (H, W, 3) uint8, shown as they are, and label maps
            (H, W), painted by `colorize`.
        titles: List of as many titles, of one to three words.
        alt: What the figure shows, for readers who do not see it: a string of at most
            300 characters.
        class_names: Names of the classes; if given, a legend names the classes that
            the label maps hold.

    Raises:
        ValueError: If there is no image, if the titles are not as many as the images,
            if a panel is neither an image nor a label map, or if `alt` is empty or
            too long.
    """
    with plt.style.context(STYLE):
        show(_draw_panels(images, titles, class_names), alt)


def save_images(path, images, titles, alt, class_names=()):
    """Write the figure of `show_images` to a PNG file, with `alt` as its description.

    The file is written under another name first and then renamed, so that a failure
    leaves nothing half-written.

    Args:
        path: Name of the file.
        images: As in `show_images`.
        titles: As in `show_images`.
        alt: As in `show_images`.
        class_names: As in `show_images`.
    """
    with plt.style.context(STYLE):
        data = _render(_draw_panels(images, titles, class_names), alt, dpi=200)
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def show(figure, alt):
    """Display a figure with its alternative text, and close it.

    Args:
        figure: A Matplotlib figure.
        alt: What the figure shows, for readers who do not see it: a string of at most
            300 characters.

    Raises:
        ValueError: If `alt` is empty or too long.
    """
    with plt.style.context(STYLE):
        picture = _render(figure, alt, dpi=100)
    plt.close(figure)
    display(Image(picture), metadata={"image/png": {"alt": alt}})


def _check_labels(labels):
    """Return labels as an array whose values all have a color."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers, got {labels.dtype}: give a label map (H, W), "
            "or take the argmax of the scores."
        )
    highest = len(PALETTE) - 1
    strangers = labels[(labels < 0) | ((labels > highest) & (labels != VOID))]
    if strangers.size:
        raise ValueError(
            f"labels must be classes from 0 to {highest}, or {VOID} for void, got "
            f"{strangers[0]}: show at most {highest + 1} classes at once."
        )
    return labels


def _check_image(image):
    """Return the image as an array, or raise if it is none."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            "an image must be (H, W, 3) uint8, a label map (H, W), got "
            f"{image.shape} {image.dtype}: convert it first."
        )
    return image


def _check_panel(image):
    """Return a panel as an array: a label map if it has two axes, else an image."""
    image = np.asarray(image)
    if not image.size:
        raise ValueError(
            f"a panel must have pixels, got the shape {image.shape}: leave it out."
        )
    return _check_labels(image) if image.ndim == 2 else _check_image(image)


def _check_alt(alt):
    """Raise unless the alternative text can be read aloud."""
    if not isinstance(alt, str) or not alt.strip() or len(alt) > 300:
        got = f"{len(alt)}" if isinstance(alt, str) else repr(alt)
        raise ValueError(
            f"alt must be a text of 1 to 300 characters, got {got}: say what the "
            "figure shows and what to conclude."
        )


def _has_background(class_names):
    """Tell whether class 0 is the background."""
    return len(class_names) > 0 and class_names[0] == "background"


def _outline(labels):
    """Mark where a class borders on a higher one, wider in larger pictures."""
    width = max(1, round(min(labels.shape) / 400))
    lined = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        near = np.moveaxis(labels, axis, 0)
        first, second = near[:-width], near[width:]
        scored = (first != VOID) & (second != VOID)
        marks = np.moveaxis(lined, axis, 0)
        marks[:-width] |= scored & (first < second)
        marks[width:] |= scored & (second < first)
    return lined


def _draw_panels(images, titles, class_names):
    """Draw images and label maps in rows, with a legend of the classes present."""
    panels = [_check_panel(image) for image in images]
    if not panels or len(titles) != len(panels):
        raise ValueError(
            "expected at least one image and as many titles as images, got "
            f"{len(panels)} and {len(titles)}: give each image a title."
        )
    handles = _legend_handles(panels, class_names)
    figure, axes = _lay_out(panels, legend=bool(handles))
    for axis, panel, title in zip(axes, panels, titles, strict=False):
        is_map = panel.ndim == 2
        axis.imshow(colorize(panel, class_names) if is_map else panel)
        axis.set(title=title, xticks=[], yticks=[])
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _lay_out(panels, legend):
    """Make a figure with room for all panels, of one size, and for the legend."""
    columns = min(len(panels), PANELS_IN_A_ROW)
    rows = -(-len(panels) // columns)
    width = min(5.0, 9.6 / columns)
    tallest = max(panel.shape[0] / panel.shape[1] for panel in panels)
    height = width * min(max(tallest, 0.25), 2) + 0.2
    size = columns * width, rows * height + (0.3 if legend else 0)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False).ravel()


def _legend_handles(panels, class_names):
    """Make a named patch of color for each class that the label maps hold."""
    if not len(class_names):
        return []
    maps = [panel for panel in panels if panel.ndim == 2]
    present = sorted(set().union(*(np.unique(panel).tolist() for panel in maps)))
    unnamed = [value for value in present if len(class_names) <= value != VOID]
    if unnamed:
        raise ValueError(
            "class_names must name every class of the label maps, got "
            f"{len(class_names)} names and the class {unnamed[0]}: add its name."
        )
    return [
        Patch(
            facecolor=colorize([value], class_names)[0] / 255,
            edgecolor="#444444",
            label="void" if value == VOID else class_names[value],
        )
        for value in present
    ]


def _render(figure, alt, dpi):
    """Return the figure as the bytes of a PNG file that holds its description."""
    _check_alt(alt)
    picture = io.BytesIO()
    metadata = {"Description": alt, "Software": None}
    figure.savefig(picture, format="png", dpi=dpi, metadata=metadata)
    return picture.getvalue()
