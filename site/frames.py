"""Draw one scene, and what FCN-32s, FCN-16s and FCN-8s see in it."""

from fcnlib import datasets, metrics, models, pasture, plotting
from fcnlib.__main__ import HORSE_SEED, HORSE_SIZE

NETWORKS = {
    "FCN-32s": "pasture-fcn32s",
    "FCN-16s": "pasture-fcn16s",
    "FCN-8s": "pasture-fcn8s",
}


def write(folder):
    """Write the pictures of the page that compares the networks.

    Args:
        folder: Path of an existing folder.

    Returns:
        The scores of the networks in this scene, as a table in Markdown.
    """
    image, truth = pasture.draw_scene(HORSE_SEED, *HORSE_SIZE)
    datasets.write_png(folder / "picture.png", image)
    rows = ["network", *pasture.CLASSES, "mean IoU"], ["---"] * 7
    table = ["| " + " | ".join(row) + " |" for row in rows]
    for name, network in NETWORKS.items():
        predictions = _segment(network, image)
        _write_labels(folder / f"{name.lower()}.png", predictions)
        confusion = metrics.confusion_matrix(truth, predictions, 5)
        scores = [*metrics.iou(confusion), metrics.mean_iou(confusion)]
        numbers = " | ".join(f"{score:.2f}" for score in scores)
        table.append(f"| {name} | {numbers} |")
    _write_labels(folder / "truth.png", truth)
    return "\n".join(table) + "\n"


def _segment(network, image):
    """Return what a shipped network sees in a picture."""
    working_size = models.read_card(network)["working_size"]
    return models.predict_picture(models.load_pretrained(network), image, working_size)


def _write_labels(path, labels):
    """Write a label map in the colors of the course."""
    datasets.write_png(path, plotting.colorize(labels, pasture.CLASSES))
