# %% [markdown]
# # What is semantic segmentation, and does my machine work?
#
# You need Python and a little NumPy, and no knowledge of neural networks.
#
# The first figure shows a picture and two maps of it. A trained network drew
# one of the maps. The other comes from one line of NumPy that knows nothing of
# horses. Which is which?

# %%
import numpy as np

from fcnlib import models, pasture, plotting

image, truth = pasture.draw_scene(seed=3, height=192, width=256)
map_a = np.argmax(image, axis=-1).astype("uint8")
map_b = models.predict_labels(models.load_pretrained("pasture-fcn8s"), image)

plotting.show_images(
    [image, map_a, map_b],
    ["picture", "map A", "map B"],
    alt="A drawn pasture and two maps of it in flat colors. Both maps have"
    " regions with clear borders, and they name different classes.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Both maps have flat colors and clear borders, and a hurried reader could
# believe either. In this lesson you learn to decide by numbers.
#
# After this lesson you can:
#
# - read a label map and count its classes;
# - segment a picture with a trained network, and score the result;
# - prove that a map is no segmentation at all.
#
# 20 minutes to read, 20 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## Does my machine work?
#
# The next cell loads the packages of the course and reports their versions. It
# also sets how many scenes this lesson scores: few by default, more if the
# variable `FCNLIB_PROFILE` says `full`.

# %% tags=["nbval-ignore-output"]
import os
import platform

import cv2
import keras
import tensorflow as tf

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 20 if QUICK else 200

packages = {module.__name__: module.__version__ for module in (np, cv2, keras)}
{
    "python": platform.python_version(),
    **packages,
    "tensorflow": tf.__version__,
    "cores": os.cpu_count(),
    "GPUs": len(tf.config.list_physical_devices("GPU")),
}

# %% [markdown]
# If you see versions and no error, the machine works. No GPU is needed. In a
# terminal, `python -m fcnlib doctor` reports more.

# %% [markdown]
# ## What does a label map say?
#
# **Semantic segmentation** gives every pixel of a picture a **class**: the kind
# of thing that the pixel shows. The result is a **label map**: as high and wide
# as the picture, with one small number per pixel. Our pictures are drawn
# pastures with five classes.

# %%
dict(enumerate(pasture.CLASSES))

# %% [markdown]
# Start with a map that fits in the head: 4 rows of 4 pixels.

# %%
tiny = np.array(
    [[0, 0, 0, 0], [0, 255, 4, 0], [1, 4, 4, 255], [1, 1, 4, 1]], dtype="uint8"
)
plotting.show_images(
    [tiny],
    ["4 × 4 labels"],
    alt="Sixteen squares: sky at the top, grass at the bottom, a small horse"
    " between them, and two white squares of void at the horse's edge.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Two pixels hold 255, and there is no class 255. This number marks **void**:
# pixels where even the person who drew the map does not decide, most often at
# an edge. No network is asked to answer there, and no score counts them.

# %% [markdown]
# ### Predict, then run
#
# `np.bincount` counts how often each of the numbers 0, 1, 2 … occurs. Five
# classes and void occur in our maps. Write down how many counts `np.bincount`
# returns for `tiny`, then run the cell.

# %%
counts = np.bincount(tiny.ravel())  # the map as one row of 16 numbers

counts.shape

# %% [markdown]
# There are 256 counts, not 6. The largest number in the map is 255, and each
# number up to it has its count. Only the first five are classes.

# %%
counts[:5]

# %% [markdown]
# Six pixels of sky, four of grass, no tree, no fence, four of horse: that is 14
# of 16 pixels. The other two are void.
#
# The scene of the first figure is the real case. Its picture has three numbers
# per pixel, red, green and blue. Its label map has one.

# %%
image.shape, truth.shape, truth.dtype

# %%
plotting.show_images(
    [image, truth, plotting.overlay(image, truth)],
    ["picture", "label map", "overlay"],
    alt="The pasture, its label map in five flat colors, and the map laid over"
    " the picture: the colors follow every outline exactly.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The map follows every outline, because the program that drew the picture drew
# the map too. Look closer at the horses: the next cell cuts out the smallest
# box that holds them.

# %%
rows, columns = np.nonzero(truth == pasture.CLASSES.index("horse"))
box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

plotting.show_images(
    [image[box], truth[box]],
    ["picture", "label map"],
    alt="A close view of the horses and of their labels: a thin white rim of"
    " void separates each horse from what is behind it.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# A thin white rim of void runs around horses and fences. A check in numbers:
# all five classes are in this map, and some void.

# %%
assert set(np.unique(truth)) == {0, 1, 2, 3, 4, 255}

np.unique(truth)

# %% [markdown]
# ### Exercise: the share of each class
#
# Return the share of each class among the pixels that are not void: one number
# for each class from 0 to `num_classes - 1`. A class that is absent has the
# share 0, and all shares add up to 1. For `tiny`, sky has 6 of 14 pixels.
#
# <details><summary>Hint 1</summary>
#
# `labels != 255` is `True` where a pixel counts.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `np.bincount` has an argument `minlength`.
#
# </details>


# %%
def class_shares(labels, num_classes):
    # solution
    valid = labels[labels != 255]
    counts = np.bincount(valid, minlength=num_classes)
    return counts / len(valid)


# %%
from fcnlib import checks

checks.class_shares(class_shares)

# %% [markdown] tags=["instructor"]
# **For instructors.** Two mistakes are frequent. Some divide by `labels.size`,
# so void stays in the total. Some use `np.unique`, which leaves out the classes
# that are absent, so that shares of two maps cannot be compared.

# %% [markdown]
# ## How good is the answer of a network?
#
# A **fully convolutional network** (FCN) slides small windows over a picture and
# gives each pixel one score per class. Lessons 1 to 4 build one, piece by
# piece. Here we use one that is already trained, on other scenes than ours:
# load it, let it predict, look.

# %%
model = models.load_pretrained("pasture-fcn8s")
prediction = models.predict_labels(model, image)  # (192, 256): a class a pixel
plotting.show_images(
    [image, truth, prediction],
    ["picture", "truth", "FCN-8s"],
    alt="The pasture, its true label map, and the network's prediction: the"
    " large regions agree, thin things are blurred or broken.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# By eye: the large regions agree, and the trouble is where things are thin. The
# next figure keeps only the pixels that are wrong, in the color of their true
# class. All others are white.

# %%
wrong = (prediction != truth) & (truth != 255)
plotting.show_images(
    [prediction, np.where(wrong, truth, 255)],
    ["FCN-8s", "wrong pixels"],
    alt="The prediction, and a map that is white except for the wrong pixels:"
    " they line the borders between the classes and the thin things.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Most of the wrong pixels seem to line the borders. Is that so? The next cell
# marks the pixels that have another label within 4 pixels, and compares.

# %% tags=["nbval-ignore-output"]
window = np.ones((9, 9), dtype="uint8")
near_border = cv2.dilate(truth, window) != cv2.erode(truth, window)
wrong_near, wrong_far = wrong[near_border].mean(), wrong[~near_border].mean()

assert wrong_near > 2 * wrong_far
print(f"wrong near a border {wrong_near:.2f}, elsewhere {wrong_far:.2f}")

# %% [markdown]
# Near a border the network is wrong more than twice as often as elsewhere. The
# eye finds *where* a prediction fails; for *how much*, we count. The share of
# pixels whose class is right is the **pixel accuracy**.
#
# ### Predict, then run
#
# The network answers with a class from 0 to 4, never with 255. Do the void
# pixels raise the share of equal pixels, lower it, or leave it? Decide, then
# run the cell.

# %% tags=["nbval-ignore-output"]
valid = truth != 255
share_of_all = np.mean(prediction == truth)
share_of_valid = np.mean(prediction[valid] == truth[valid])

assert share_of_all < share_of_valid and share_of_valid > 0.75
print(f"all pixels {share_of_all:.2f}, without void {share_of_valid:.2f}")

# %% [markdown]
# They lower it: a void pixel can never be equal. So the network would be blamed
# for pixels that have no answer, and every score in this course leaves void
# out.
#
# One scene proves little. The next cell scores more of them, none of which the
# network has seen.

# %% tags=["nbval-ignore-output"]
images, labels = pasture.draw_scenes(range(NUM_SCENES))  # 128 x 128 pixels
predictions = models.predict_labels(model, images)  # (20, 128, 128)
accuracy = np.mean((predictions == labels)[labels != 255])

assert accuracy > 0.8
print(f"pixel accuracy on {NUM_SCENES} scenes: {accuracy:.2f}")

# %% [markdown]
# More than four of five pixels are right. Does that hold for each class? For
# one class, the question is how many of its true pixels the network found.

# %% tags=["nbval-ignore-output"]
found = {
    name: round(float(np.mean(predictions[labels == number] == number)), 2)
    for number, name in enumerate(pasture.CLASSES)
}

assert min(found, key=found.get) == "fence"
assert np.mean(labels == pasture.CLASSES.index("fence")) < 0.1
found

# %% [markdown]
# The fence is the worst class, and pixel accuracy did not tell. Fences have
# less than a tenth of the pixels, so they hardly count. Lesson 5 builds scores
# that do not hide this, and lesson 4 shows how a network gets thin things back.

# %% [markdown]
# ## Was there a network at all?
#
# Back to the first figure. The last step of an FCN is an `argmax`: of the five
# scores of a pixel, the place of the largest is its class. A picture has
# numbers in the same arrangement, three **channels** per pixel: red, green and
# blue. For one blue pixel, `argmax` gives:

# %%
blue = np.array([90, 130, 200], dtype="uint8")  # red, green, blue

int(np.argmax(blue))

# %% [markdown]
# Channel 2 is the largest, and class 2 is tree. Nothing stops us from calling
# the blue sky a tree. One public notebook does exactly this: it hands the
# picture to `argmax` where the scores belong, and shows the result as the work
# of its network. It is map A of the first figure.
#
# ### Predict, then run
#
# Write down all the numbers that can occur in such a map, then run the cell.

# %%
brightest = np.argmax(images, axis=-1).astype("uint8")  # (20, 128, 128)

assert set(np.unique(brightest)) <= {0, 1, 2}
np.unique(brightest)

# %% [markdown]
# Three channels give the numbers 0, 1 and 2. So in all the scenes there is not
# one fence and not one horse. That is a first sign, and not yet a proof: a good
# map of a scene without fence and horse has the same numbers.

# %% tags=["nbval-ignore-output"]
share_equal = np.mean((brightest == labels)[labels != 255])

assert 0 < share_equal < accuracy - 0.2
print(f"network {accuracy:.2f}, brightest channel {share_equal:.2f}")

# %% [markdown]
# The score is the second sign: far below the network's. It is not zero, since
# some pixels are right by accident, as grass where green is the brightest
# channel. The third sign needs no truth: change the picture.
#
# ### Predict, then run
#
# In a gray picture the three channels are equal, and you can still see the
# horse. What does the map of brightest channels show then? `argmax` takes the
# first of equal numbers.

# %%
gray = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
gray_image = gray.astype("uint8")  # (192, 256, 3), three equal channels
gray_map = np.argmax(gray_image, axis=-1).astype("uint8")

assert not gray_map.any()
plotting.show_images(
    [gray_image, gray_map],
    ["gray picture", "brightest"],
    alt="The pasture in gray, where all shapes can still be seen, and beside"
    " it a map of one flat color, the sky's.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Everything is 0, sky, although every shape is still there. The map never
# looked at shapes.

# %% [markdown]
# ### Exercise: unmask the map
#
# Return `True` if every number in `predictions` is that of the pixel's largest
# channel in `image`, and `False` if not. `image` is (H, W, 3), `predictions`
# is (H, W).
#
# <details><summary>Hint 1</summary>
#
# Make the suspected map yourself. Which axis of (H, W, 3) holds the channels?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Comparing two maps gives one answer per pixel. NumPy can say whether two
# arrays are equal as a whole.
#
# </details>


# %%
def is_brightest_channel(image, predictions):
    # solution
    suspect = np.argmax(image, axis=-1)
    return np.array_equal(predictions, suspect)


# %%
checks.is_brightest_channel(is_brightest_channel)

# %% [markdown] tags=["instructor"]
# **For instructors.** The mistake was found by reading the pictures stored in a
# public notebook: almost every pixel of its three results is the argmax of the
# photograph's channels. Ask what else a reader could have checked: does the
# result change when the weights do?

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - read label maps, counted their classes, and left out void;
# - segmented scenes with a trained FCN-8s, and scored them by eye and by pixel
#   accuracy;
# - proved that a colorful map can come without any network.
#
# The next lesson begins with the smallest part of a network: how does a small
# window see?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). The network of this course;
#   pixel accuracy is in Section 5.
# - M. Everingham and others (2010):
#   [The Pascal Visual Object Classes (VOC)
#   Challenge](https://doi.org/10.1007/s11263-009-0275-4). Label maps with void
#   at the borders of the objects.
# - M. Okabe, K. Ito (2008):
#   [Color Universal Design](https://jfly.uni-koeln.de/color/). The colors of our
#   figures, which color-blind readers can tell apart.
