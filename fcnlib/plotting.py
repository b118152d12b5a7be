"""Every figure: the colors of the classes, overlays, rows of panels."""

import io
import os
from pathlib import Path

import numpy as np
from IPython.display import Image, display
from matplotlib import colormaps, patheffects
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

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
WINDOW = "#D55E00"  # the outline of a window on a grid of numbers
# Places in the palette, line styles and markers of curves and boxes; yellow, which is
# too faint for a line on white, is left out.
CURVES = [
    (2, "-", "o"),
    (4, "--", "s"),
    (0, "-.", "^"),
    (1, ":", "D"),
    (5, (0, (7, 2)), "v"),
    (6, (0, (3, 1, 1, 1, 1, 1)), "P"),
]


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

    Example:

    >>> sky = np.zeros((4, 4), dtype=np.uint8)
    >>> show_images([sky], ["label map"], alt="Sixteen pixels of sky.")
    <IPython.core.display.Image object>
    """
    with plt.style.context(STYLE):
        show(_draw_panels(images, titles, class_names), alt)


def show_grids(grids, titles, alt, windows=None):
    """Show small arrays as grids with their numbers written in the squares.

    Squares are tinted by their number, positive ones in purple and negative ones in
    orange. A square that holds nan is gray and stays empty.

    Args:
        grids: List of arrays (H, W) of numbers, all drawn with squares of one size.
        titles: List of as many titles, of one to three words.
        alt: What the figure shows, a string of at most 300 characters.
        windows: List with an entry for each grid: `None`, or the (row, column, height,
            width) of a window that is outlined. `None` outlines nothing.

    Raises:
        ValueError: If there is no grid, if there are not as many titles or windows, if
            a grid has not two axes, or if its numbers would be too small to be read.

    Example:

    >>> show_grids([np.eye(2)], ["unit matrix"], alt="Ones along the diagonal.")
    <IPython.core.display.Image object>
    """
    with plt.style.context(STYLE):
        show(_draw_grids(grids, titles, windows), alt)


def show_maps(maps, titles, alt, signed=False):
    """Show maps of magnitudes side by side, with one color bar for all.

    Args:
        maps: List of arrays (H, W) of numbers; nan is left white.
        titles: List of as many titles, of one to three words.
        alt: What the figure shows, a string of at most 300 characters.
        signed: `True` for a color bar that is centered on zero, white there, purple
            above it and orange below.

    Raises:
        ValueError: If there is no map, if there are not as many titles, or if a map
            has not two axes.

    Example:

    >>> ramp = np.arange(6.0).reshape(2, 3)
    >>> show_maps([ramp], ["ramp"], alt="Six squares that grow brighter.")
    <IPython.core.display.Image object>
    """
    with plt.style.context(STYLE):
        show(_draw_maps(maps, titles, signed), alt)


def show_curves(curves, alt, x_label, y_label):
    """Show curves that differ in color, line style and marker, with a legend.

    Args:
        curves: Dict of at most six: name of the curve -> its x values and y values.
        alt: What the figure shows, a string of at most 300 characters.
        x_label: What the x values are, with their unit.
        y_label: What the y values are, with their unit.

    Raises:
        ValueError: If there is no curve or more than six.

    Example:

    >>> curves = {"square": ([0, 1, 2], [0, 1, 4])}
    >>> show_curves(curves, "A curve that bends upward.", "x", "x squared")
    <IPython.core.display.Image object>
    """
    with plt.style.context(STYLE):
        show(_draw_curves(curves, x_label, y_label), alt)


def show_boxes(image, boxes, alt):
    """Show boxes drawn on an image, and their names beside it.

    Where a box leaves the image, the figure is white.

    Args:
        image: RGB image (H, W, 3) uint8.
        boxes: Dict of at most six: name of the box -> its (row, column, height, width)
            in pixels.
        alt: What the figure shows, a string of at most 300 characters.

    Raises:
        ValueError: If there is no box or more than six, or if the image is none.

    Example:

    >>> image = np.zeros((8, 8, 3), dtype=np.uint8)
    >>> show_boxes(image, {"window": (2, 2, 3, 3)}, alt="A small box on black.")
    <IPython.core.display.Image object>
    """
    with plt.style.context(STYLE):
        show(_draw_boxes(_check_image(image), boxes), alt)


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

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "sky.png"
    >>> sky = np.zeros((4, 4), dtype=np.uint8)
    >>> save_images(path, [sky], ["label map"], alt="Sixteen pixels of sky.")
    >>> path.exists()
    True
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

    Example:

    >>> figure = Figure()
    >>> show(figure, alt="An empty figure.")
    <IPython.core.display.Image object>
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


def _check_numbers(arrays, titles):
    """Return arrays of numbers with two axes each, or raise if they are none."""
    arrays = [np.asarray(array, dtype=float) for array in arrays]
    if not arrays or len(titles) != len(arrays):
        raise ValueError(
            "expected at least one array and as many titles as arrays, got "
            f"{len(arrays)} and {len(titles)}: give each array a title."
        )
    for array in arrays:
        if array.ndim != 2 or not array.size:
            raise ValueError(
                f"expected arrays (H, W) with squares to show, got {array.shape}: "
                "choose one channel of one image."
            )
    return arrays


def _draw_grids(grids, titles, windows):
    """Draw grids of numbers in rows, with squares of one size."""
    grids = _check_numbers(grids, titles)
    windows = [None] * len(grids) if windows is None else list(windows)
    if len(windows) != len(grids):
        raise ValueError(
            f"expected a window or None for each of the {len(grids)} grids, got "
            f"{len(windows)}: write None where nothing is outlined."
        )
    words = [[_write(number) for number in grid.ravel()] for grid in grids]
    longest = max(len(word) for row in words for word in row)
    figure, axes, side = _lay_out_grids(grids, titles, longest)
    size = min(12, 72 * side / (0.62 * longest + 0.5))
    if size < 6:
        raise ValueError(
            f"expected few squares, got {len(grids)} grids with up to {longest} "
            "digits: show a part of them, or the whole by show_maps."
        )
    for axis, grid, row, window in zip(axes, grids, words, windows, strict=False):
        _draw_grid(axis, grid, row, size)
        if window is not None:
            axis.add_patch(_rectangle(window, edgecolor=WINDOW, linewidth=3))
    return figure


def _write(number):
    """Write a number in as few digits as three places allow, and nan as nothing."""
    return "" if np.isnan(number) else f"{number:.3g}".replace("-", "\N{MINUS SIGN}")


def _lay_out_grids(grids, titles, longest):
    """Make axes for grids and return the side of their squares in inches too."""
    columns = min(len(grids), PANELS_IN_A_ROW)
    heights = [
        max(grid.shape[0] for grid in grids[start : start + columns])
        for start in range(0, len(grids), columns)
    ]
    widths = [
        max(max(grid.shape[1], 2) for grid in grids[column::columns])
        for column in range(columns)
    ]
    across = sum(widths) + 0.5 * columns
    side = min(0.16 * max(longest, 3), 9.6 / across)
    figure = Figure(
        figsize=(side * across, side * sum(heights) + 0.35 * len(heights)),
        layout="constrained",
    )
    ratios = {"width_ratios": widths, "height_ratios": heights}
    axes = figure.subplots(len(heights), columns, squeeze=False, **ratios)
    for axis in axes.ravel():
        axis.set_axis_off()
    panels = zip(np.ndenumerate(axes), grids, titles, strict=False)
    for ((row, column), axis), grid, title in panels:
        _center(axis, grid.shape, (heights[row], widths[column]), title)
    return figure, axes.ravel(), side


def _center(axis, size, room, title):
    """Put a grid into the middle of its room, and the title above the grid."""
    left, top = (size[1] - room[1]) / 2 - 0.5, (size[0] - room[0]) / 2 - 0.5
    axis.set(xlim=(left, left + room[1]), ylim=(top + room[0], top), aspect="equal")
    axis.set_title(title, y=(1 + size[0] / room[0]) / 2)


def _draw_grid(axis, grid, words, size):
    """Draw the squares of one grid, tinted by their numbers, and write in them."""
    limit = np.nanmax(np.abs(grid), initial=0) or 1
    tint = colormaps["PuOr"](0.5 + 0.22 * np.nan_to_num(grid) / limit)[..., :3]
    tint[grid == 0] = 1
    tint[np.isnan(grid)] = 0.85
    for (row, column), _ in np.ndenumerate(grid):
        square = _rectangle((row, column, 1, 1), edgecolor="#777777", linewidth=0.8)
        square.set(facecolor=tint[row, column], fill=True)
        axis.add_patch(square)
        word = words[row * grid.shape[1] + column]
        axis.text(column, row, word, ha="center", va="center_baseline", fontsize=size)


def _rectangle(box, **look):
    """Make the outline of a box of pixels, given as (row, column, height, width)."""
    row, column, height, width = box
    corner = column - 0.5, row - 0.5
    return Rectangle(corner, width, height, fill=False, clip_on=False, **look)


def _draw_maps(maps, titles, signed):
    """Draw maps of magnitudes in rows, with one color bar."""
    maps = _check_numbers(maps, titles)
    figure, axes = _lay_out(maps, legend=False)
    lowest = min(np.nanmin(values) for values in maps)
    highest = max(np.nanmax(values) for values in maps)
    if signed:
        highest = max(abs(lowest), abs(highest)) or 1
        lowest = -highest
    look = {"cmap": "PuOr" if signed else "viridis", "vmin": lowest, "vmax": highest}
    for axis, values, title in zip(axes, maps, titles, strict=False):
        picture = axis.imshow(values, **look)
        axis.set(title=title, xticks=[], yticks=[])
    for axis in axes[len(maps) :]:
        axis.set_axis_off()
    figure.colorbar(picture, ax=axes, aspect=30, pad=0.02)
    return figure


def _draw_curves(curves, x_label, y_label):
    """Draw curves with markers at about a dozen of their points."""
    _check_count(curves, "curve")
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    looks = zip(CURVES, curves.items(), strict=False)
    for (color, line, marker), (name, (x_values, y_values)) in looks:
        every = max(1, len(x_values) // 12)
        look = {"color": PALETTE[color] / 255, "linestyle": line, "marker": marker}
        axis.plot(x_values, y_values, label=name, markevery=every, **look)
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.grid(color="#dddddd", linewidth=0.6)
    if len(curves) > 1:
        figure.legend(loc="outside right center", handlelength=3)
    return figure


def _draw_boxes(image, boxes):
    """Draw boxes on an image, on a white line each, and a legend beside it."""
    _check_count(boxes, "box")
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axis = figure.subplots()
    axis.imshow(image)
    height, width = image.shape[:2]
    edges = np.array([(0, 0, height, width), *boxes.values()], dtype=float)
    ends = edges[:, :2] + edges[:, 2:]
    (top, left), (bottom, right) = edges[:, :2].min(axis=0), ends.max(axis=0)
    axis.set(xlim=(left - 1, right), ylim=(bottom, top - 1), xticks=[], yticks=[])
    halo = [patheffects.withStroke(linewidth=4.5, foreground="white")]
    for (color, line, _), (name, box) in zip(CURVES, boxes.items(), strict=False):
        look = {"edgecolor": PALETTE[color] / 255, "linestyle": line, "label": name}
        axis.add_patch(_rectangle(box, linewidth=2.2, path_effects=halo, **look))
    figure.legend(loc="outside right center", handlelength=2.6)
    return figure


def _check_count(named, kind):
    """Raise unless there are from one to six named things to draw."""
    if not 0 < len(named) <= len(CURVES):
        raise ValueError(
            f"expected from 1 to {len(CURVES)} of them, by name, got {len(named)} "
            f"(each {kind} needs a look of its own): draw fewer."
        )


def _render(figure, alt, dpi):
    """Return the figure as the bytes of a PNG file that holds its description."""
    _check_alt(alt)
    picture = io.BytesIO()
    metadata = {"Description": alt, "Software": None}
    figure.savefig(picture, format="png", dpi=dpi, metadata=metadata)
    return picture.getvalue()
