"""Make what the page to try the networks loads: networks, scenes and their names."""

import json
import shutil

import numpy as np

from fcnlib import datasets, export, models, pasture, plotting

NETWORKS = ("pasture-fcn8s", "horses-fcn8s")
# Scenes that no network learned from, in the size at which the pasture's works.
SEEDS = datasets.PASTURE_SPLITS["test"][:100]
SIZE = (240, 320)
# ONNX Runtime for WebAssembly alone, without the builds for graphics processors.
RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def write(folder, packages):
    """Write networks, scenes with their truth, and the program that runs networks.

    Args:
        folder: Path of an existing folder, from which the page loads.
        packages: Path of the folder into which npm installed.
    """
    for name in RUNTIME:
        shutil.copy(packages / "onnxruntime-web" / "dist" / name, folder)
    networks = [_write_network(name, folder) for name in NETWORKS]
    (folder / "scenes").mkdir()
    for number, seed in enumerate(SEEDS, start=1):
        image, labels = pasture.draw_scene(seed, *SIZE)
        datasets.write_png(folder / "scenes" / f"{number}.png", image)
        datasets.write_png(folder / "scenes" / f"{number}_labels.png", labels)
    content = {
        "networks": networks,
        "scenes": {"count": len(SEEDS), "classes": pasture.CLASSES},
    }
    (folder / "content.json").write_text(json.dumps(content), encoding="utf-8")


def _write_network(name, folder):
    """Write a network as ONNX and return what the page has to know about it."""
    card, path = models.read_card(name), folder / f"{name}.onnx"
    export.to_onnx(export.with_branches(models.load_pretrained(name)), path)
    return {
        "name": name,
        "classes": card["classes"],
        "colors": _read_colors(card["classes"]),
        "workingSize": card["working_size"],
        "megabytes": path.stat().st_size / 1e6,
    }


def _read_colors(classes):
    """Return the course's colors of classes, as lists of red, green and blue."""
    return plotting.colorize(np.arange(len(classes))[None], classes)[0].tolist()
