"""Turn the outlines that annotation tools store into label maps."""

import json
import pathlib

import cv2
import numpy as np

VOID_NAME = "void"  # outlines of this name become void, whatever the classes


def paint_outlines(outlines, height, width):
    """Fill outlines with their classes; where two overlap, the later one stays.

    Pixels that no outline holds get class 0. A corner at (x, y) lies in the pixel of
    column floor(x) and row floor(y), and that pixel belongs to the outline.

    Args:
        outlines: List of (corners, class): an array (N, 2) of numbers x and y in
            pixels from the top left, and an integer from 0 to 255.
        height: Integer, the height of the picture.
        width: Integer, its width.

    Returns:
        Labels of shape (height, width), uint8.

    Example:
        >>> from fcnlib import annotations
        >>> annotations.paint_outlines([([(1, 0), (2, 0), (2, 1), (1, 1)], 4)], 3, 4)
        array([[0, 4, 4, 0],
               [0, 4, 4, 0],
               [0, 0, 0, 0]], dtype=uint8)
    """
    labels = np.zeros((height, width), "uint8")
    for corners, label in outlines:
        cells = np.floor(np.asarray(corners, "float64")).astype("int32")
        cv2.fillPoly(labels, [cells], int(label))
    return labels


def read_labelme(path, class_names):
    """Read the outlines that labelme stored for one picture as a label map.

    Args:
        path: String or path of the JSON file.
        class_names: Sequence of names, in the order of the classes. The first is that
            of pixels without an outline; outlines named "void" become 255.

    Returns:
        Labels (H, W), uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no such JSON, if an outline has another name, or if
            it is neither a polygon nor a rectangle.

    Example:
        >>> import json, pathlib, tempfile
        >>> from fcnlib import annotations
        >>> corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
        >>> shape = {"label": "cat", "points": corners, "shape_type": "polygon"}
        >>> content = {"shapes": [shape], "imageHeight": 2, "imageWidth": 3}
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text(json.dumps(content))
        >>> annotations.read_labelme(path, ("background", "cat"))
        array([[1, 1, 0],
               [1, 1, 0]], dtype=uint8)
    """
    content = _read_json(path, ("shapes", "imageHeight", "imageWidth"), "labelme")
    outlines = [
        (_find_corners(shape, path), _find_class(shape["label"], class_names, path))
        for shape in content["shapes"]
    ]
    return paint_outlines(outlines, content["imageHeight"], content["imageWidth"])


def read_coco(path, class_names):
    """Read the polygons of a file in the format of COCO, one label map a picture.

    Categories are found by their names: their numbers in the file often begin at 1
    and need not be those of the classes.

    Args:
        path: String or path of the JSON file.
        class_names: As in `read_labelme`.

    Returns:
        Dictionary from the file name of each picture to its labels (H, W), uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no such JSON, if a category that it uses has another
            name, or if a region is stored as runs of pixels instead of as polygons.

    Example:
        >>> import json, pathlib, tempfile
        >>> from fcnlib import annotations
        >>> content = {
        ...     "images": [{"id": 7, "file_name": "a.png", "height": 2, "width": 3}],
        ...     "categories": [{"id": 3, "name": "cat"}],
        ...     "annotations": [{"image_id": 7, "category_id": 3,
        ...                      "segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]]}],
        ... }
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text(json.dumps(content))
        >>> annotations.read_coco(path, ("background", "cat"))["a.png"]
        array([[1, 1, 0],
               [1, 1, 0]], dtype=uint8)
    """
    content = _read_json(path, ("images", "categories", "annotations"), "COCO")
    names = {each["id"]: each["name"] for each in content["categories"]}
    outlines = {each["id"]: [] for each in content["images"]}
    for region in content["annotations"]:
        if not isinstance(region["segmentation"], list):
            raise ValueError(
                f"{path}: expected polygons, but a region of picture "
                f"{region['image_id']} is stored as runs of pixels: export polygons."
            )
        label = _find_class(names[region["category_id"]], class_names, path)
        outlines[region["image_id"]] += [
            (np.reshape(polygon, (-1, 2)), label) for polygon in region["segmentation"]
        ]
    return {
        each["file_name"]: paint_outlines(
            outlines[each["id"]], each["height"], each["width"]
        )
        for each in content["images"]
    }


def _read_json(path, keys, tool):
    """Return the content of a JSON file that has certain entries."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; give the path of a JSON file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path}: expected JSON, but it cannot be read ({error}): export it again."
        ) from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(
            f"{path}: expected outlines as {tool} writes them, but there is no entry "
            f"{missing[0]}: export them in that format."
        )
    return content


def _find_corners(shape, path):
    """Return the corners of a shape of labelme."""
    kind = shape.get("shape_type", "polygon")
    if kind == "polygon":
        return shape["points"]
    if kind == "rectangle":
        (left, top), (right, bottom) = shape["points"]
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    raise ValueError(
        f"{path}: expected polygons and rectangles, but {shape['label']} is a {kind}: "
        "draw it as a polygon."
    )


def _find_class(name, class_names, path):
    """Return the number of a class, 255 for void."""
    if name == VOID_NAME:
        return 255
    if name not in class_names:
        raise ValueError(
            f"{path}: expected one of {', '.join(class_names)}, but an outline is "
            f"named {name}: rename it, or add the class."
        )
    return list(class_names).index(name)
