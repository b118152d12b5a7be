# %% [markdown]
# # What is semantic segmentation, and does my machine work?
#
# You need Python and a little NumPy, and no knowledge of neural networks.
#
# The first figure shows a picture and two maps of it. Map A comes from one line
# of NumPy that knows nothing of horses, map B from a trained network.

# %%
import numpy as np

from fcnlib import models, pasture, plotting

image, truth = pasture.draw_scene(seed=3, height=192, width=256)
map_a = np.argmax(image, axis=-1).astype("uint8")
map_b = models.predict_labels(models.load_pretrained("pasture-fcn8s"), image)

plotting.show_images(
    [image, map_a, map_b],
    ["picture", "map A", "map B"],
    alt="A drawn pasture and two maps of it. Map A: black sky, green clouds,"
    " grass and tree crowns, horse and fence in the color of sky. Map B: sky,"
    " grass, trees, fence and horse in their own colors.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Both maps have flat colors, and both follow shapes in the picture: map A paints
# horse and fence in the color of sky. How would you prove that it is no
# segmentation? In this lesson you learn to decide by numbers.
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
plotting.show_grids(
    [tiny],
    ["4 × 4 labels"],
    alt="Sixteen squares with their numbers: 0, sky, at the top; 1, grass, at"
    " the bottom; four times 4, a small horse, between them; and two squares"
    " of 255 at the horse's edge.",
)

# %% [markdown]
# There is sky at the top, grass at the bottom, and a small horse between them.
# Two pixels hold 255, and there is no class 255. This number marks **void**:
# pixels for which the map names no class, most often at an edge. No network is
# asked to answer there, and no score counts them.

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
    [truth, plotting.overlay(image, truth)],
    ["label map", "overlay"],
    alt="The label map in five flat colors with white rims of void, and the"
    " map laid over the picture: each color covers its own things, and white"
    " lines run where sky, grass and trees meet.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The map fits the picture, because the program that drew the picture drew the
# map too. White has two meanings here: in the label map it is void, in the
# overlay it is a line between two classes.
#
# Look closer at the horse: the next cell cuts out the smallest box that holds
# it.

# %%
rows, columns = np.nonzero(truth == pasture.CLASSES.index("horse"))
box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

plotting.show_images(
    [image[box], truth[box]],
    ["picture", "label map"],
    alt="A close view of the horse, partly behind a spruce: a white rim of"
    " void follows its edge.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The horse stands partly behind a spruce, and a white rim of void follows its
# edge. In our scenes the program marks such a rim around horses and fences, as
# people do around objects. A check in numbers: all five classes are in this map,
# and some void.

# %%
assert set(np.unique(truth)) == {0, 1, 2, 3, 4, 255}

np.unique(truth)

# %% [markdown]
# ### Exercise: the share of each class
#
# Return the share of each class among the pixels that are not void: one number
# for each class from 0 to `num_classes - 1`. A class that is absent has the
# share 0, and all shares add up to 1. For `tiny`, sky has 6 of 14 pixels. The
# function must work for any number of classes, and for maps without void.
#
# <details><summary>Hint 1</summary>
#
# `labels != 255` is `True` where a pixel counts.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `np.bincount` takes one row of numbers, and has an argument `minlength`.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Divide each count by the number of pixels that were counted.
#
# </details>


# %% points=2
def class_shares(labels, num_classes):
    # solution
    valid = labels[labels != 255]
    counts = np.bincount(valid, minlength=num_classes)
    return counts / len(valid)


# %%
from fcnlib import checks

checks.class_shares(class_shares)

# %% [markdown] tags=["instructor"]
# **For instructors.** Expect two mistakes. Dividing by `labels.size` leaves void
# in the total; ask what all shares add up to. `np.unique` leaves out the classes
# that are absent; ask how to compare the shares of two maps.

# %% [markdown]
# ## How good is the answer of a network?
#
# A **fully convolutional network** (FCN) slides small windows over a picture and
# gives each pixel one score per class. Lessons 1 to 4 build one, piece by
# piece. Here we use one that is already trained. Its card says on what.

# %%
card = models.read_card("pasture-fcn8s")

card["data"], card["seeds"]  # the first seed and the last

# %% [markdown]
# One seed is one scene. The scene of the first figure has the seed 3, and all
# scenes of this lesson have seeds below 200. So the network has not seen them.
# Load it, let it predict, look.

# %%
model = models.load_pretrained("pasture-fcn8s")
prediction = models.predict_labels(model, image)  # (192, 256): a class a pixel
plotting.show_images(
    [image, truth, prediction],
    ["picture", "truth", "FCN-8s"],
    alt="The pasture, its true label map, and the network's prediction: the"
    " large regions agree, the fence is too thick, and the horse's legs are"
    " cut short.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# By eye: the large regions agree, the fence is too thick, and the horse's legs
# are cut short. The next figure keeps only the pixels that are wrong, in the
# color of their true class. White pixels are right, or void.

# %%
valid = truth != 255
wrong = (prediction != truth) & valid
wrong_pixels = plotting.colorize(np.where(wrong, truth, 255))
plotting.show_images(
    [prediction, wrong_pixels],
    ["FCN-8s", "wrong pixels"],
    alt="The prediction, and a map that is white except for the wrong pixels:"
    " they line the edges of trees, ground, fence and horse.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The wrong pixels line the edges. Which classes lose by them? The next cell
# counts the wrong pixels of each class, and divides by the size of the class.

# %% tags=["nbval-ignore-output"]
wrong_counts = {
    name: int(np.sum(wrong[truth == number]))
    for number, name in enumerate(pasture.CLASSES)
}
wrong_shares = {
    name: round(float(np.mean(wrong[truth == number])), 3)
    for number, name in enumerate(pasture.CLASSES)
}

assert wrong_counts["fence"] + wrong_counts["sky"] < wrong.sum() / 2
assert min(wrong_shares["fence"], wrong_shares["horse"]) > 0.07
assert max(wrong_shares["sky"], wrong_shares["grass"]) < 0.02
wrong_counts, wrong_shares

# %% [markdown]
# Most of the wrong pixels belong to the edges of trees, grass and horse. What
# has thin parts loses the largest share: fence and horse about a tenth of their
# pixels, sky and grass about one of a hundred.
#
# Are nearly all of them near a border? For each pixel, `cv2.erode` finds the
# smallest label in the window of 9 × 9 pixels around it, and `cv2.dilate` the
# largest. Where the two differ, another class is within 4 pixels.

# %% tags=["nbval-ignore-output"]
window = np.ones((9, 9), dtype="uint8")
smallest = cv2.erode(truth, window)  # never void, which is the largest label
largest = cv2.dilate(np.where(valid, truth, 0), window)  # void made smallest
near_border = smallest != largest

wrong_near = np.mean(wrong[near_border & valid])
wrong_far = np.mean(wrong[~near_border & valid])

assert 0.03 < wrong_near < 0.2 and wrong_far < 0.005
print(f"wrong near a border {wrong_near:.3f}, elsewhere {wrong_far:.4f}")

# %% [markdown]
# Near a border about 9 of 100 pixels are wrong, elsewhere hardly any. The eye
# finds *where* a prediction fails; for *how much*, we count. The share of pixels
# whose class is right is the **pixel accuracy**.
#
# ### Predict, then run
#
# The network answers with a class from 0 to 4, never with 255. Do the void
# pixels raise the share of equal pixels, lower it, or leave it? Decide, then
# run the cell.

# %% tags=["nbval-ignore-output"]
share_of_all = np.mean(prediction == truth)
share_of_valid = np.mean(prediction[valid] == truth[valid])

print(f"all pixels {share_of_all:.2f}, without void {share_of_valid:.2f}")

# %% [markdown]
# They lower it, because a void pixel can never be equal. The next cell counts
# those that are.

# %%
assert 0.9 < share_of_all < share_of_valid

int(np.sum((prediction == truth)[~valid]))

# %% [markdown]
# So the network would be blamed for pixels that have no answer, and every score
# in this course leaves void out.
#
# One scene proves little. The next cell draws more of them, of 128 × 128 pixels,
# and shows four.

# %%
images, labels = pasture.draw_scenes(range(NUM_SCENES))
shown = [2, 13, 15, 17]
plotting.show_images(
    [images[seed] for seed in shown],
    [f"seed {seed}" for seed in shown],
    alt="Four of the scenes: a horse behind a fence on a summer's day, two"
    " horses in snow at night, a pale horse at dusk, a dark horse in snow.",
)

# %% [markdown]
# Day and night, summer and snow: the colors of grass, sky and horses change from
# scene to scene. Which share of their pixels is right?

# %% tags=["nbval-ignore-output"]
predictions = models.predict_labels(model, images)  # (NUM_SCENES, 128, 128)
accuracy = np.mean((predictions == labels)[labels != 255])

assert max(range(NUM_SCENES)) < min(card["seeds"])  # not seen in training
assert 0.91 < accuracy < 0.95
print(f"pixel accuracy on {NUM_SCENES} scenes: {accuracy:.2f}")

# %% [markdown]
# About 93 of 100 pixels are right, fewer than in the first scene: one scene can
# flatter. Does that hold for each class? For one class, the question is how many
# of its true pixels the network found.

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
# the blue sky a tree. The mistake is easy to make: hand the picture to `argmax`
# where the scores belong. The result still looks like a map of something. It is
# map A of the first figure.
#
# ### Predict, then run
#
# The next cell makes such maps of all our scenes. Write down which numbers you
# expect in them, then run the cell.

# %%
brightest = np.argmax(images, axis=-1)  # (NUM_SCENES, 128, 128)

np.unique(brightest)

# %% [markdown]
# Three channels can give 0, 1 and 2, and all three numbers occur. So none of
# these maps has a single fence or horse pixel. That is a first sign, and not yet
# a proof: a good map of a scene without fence and horse has the same numbers.
#
# The score is the second sign. The next cell compares it with the network's, and
# with that of a map which says grass everywhere.

# %% tags=["nbval-ignore-output"]
share_equal = np.mean((brightest == labels)[labels != 255])
share_grass = np.mean(labels[labels != 255] == 1)  # as if all were grass

assert set(np.unique(brightest)) == {0, 1, 2}
assert 0.05 < share_equal < share_grass - 0.1 < accuracy - 0.3
print(f"network {accuracy:.2f}, all grass {share_grass:.2f},", end=" ")
print(f"brightest channel {share_equal:.2f}")

# %% [markdown]
# The map of brightest channels is worse than calling everything grass. It does
# not score zero, since some pixels are right by accident, as grass where green
# is the brightest channel. The third sign needs no truth: change the picture.
#
# ### Predict, then run
#
# In a gray picture the three channels are equal, and you can still see the
# horse. What does the map of brightest channels show then? `argmax` takes the
# first of equal numbers. And what does the network show?

# %%
gray = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
gray_image = gray.astype("uint8")  # (192, 256, 3), three equal channels
gray_map = np.argmax(gray_image, axis=-1).astype("uint8")
gray_prediction = models.predict_labels(model, gray_image)

plotting.show_images(
    [gray_image, gray_map, gray_prediction],
    ["gray picture", "brightest", "FCN-8s"],
    alt="The pasture in gray, where all shapes can still be seen; a map of one"
    " flat color, the sky's; and the network's prediction, with sky, grass,"
    " trees, horse and a broken fence.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# In the map of brightest channels everything is 0, sky, although every shape is
# still there. It never looked at shapes. The network did: it still finds sky,
# grass, trees and horse, and most of the fence. In numbers:

# %% tags=["nbval-ignore-output"]
gray_accuracy = np.mean((gray_prediction == truth)[valid])

assert not gray_map.any() and gray_accuracy > share_of_valid - 0.04
print(f"network: color {share_of_valid:.3f}, gray {gray_accuracy:.3f}")

# %% [markdown]
# Without color the network loses about one pixel of a hundred, and the map of
# brightest channels loses everything. If you have a picture and a map of unknown
# origin, one question settles it: is every pixel that of the brightest channel?

# %% [markdown]
# ### Exercise: unmask the map
#
# Return `True` if every number in `predictions` is that of the pixel's largest
# channel in `image` (the first, if equal), and `False` if not. `image` is
# (H, W, 3), `predictions` is (H, W). For a pixel of (90, 130, 200) the number is
# 2, for (80, 80, 20) it is 0. Any other number makes the answer `False`, and so
# does 255.
#
# <details><summary>Hint 1</summary>
#
# Make the suspected map yourself, then compare.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `argmax` has an argument `axis`. Which axis of (H, W, 3) holds the channels?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Comparing two maps gives one answer per pixel. NumPy can say whether two
# arrays are equal as a whole.
#
# </details>


# %% points=2
def is_brightest_channel(image, predictions):
    # solution
    suspect = np.argmax(image, axis=-1)
    return np.array_equal(predictions, suspect)


# %%
checks.is_brightest_channel(is_brightest_channel)

# %% [markdown] tags=["instructor"]
# **For instructors.** Some compare which numbers occur in the two maps, or how
# often; swap two pixels, and both stay. Some accept one equal pixel. Ask what
# else a reader of someone's results could check: do they change when the weights
# do?

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

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: a segmentation is one small number
# per pixel, and nothing else. Show the first figure and let the class vote on which
# map is one. Leave the vote open until the last section.
#
# Minutes to read: opening 2, machine 1, label map 5, network 7, was there a network 5.
#
# Misconceptions, and the question that brings each to light:
#
# - A map that looks good comes from a network. Ask: what in this picture would
#   change if the weights were deleted?
# - Void is one class more. Ask: which number should a network answer there?
# - A high pixel accuracy means that every class was found. Ask: how far does the
#   score fall if every fence pixel is missed?
# - One scene is a measurement. Ask: which scene would you show, if you sold it?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - counts: the largest number decides how many there are, not how many numbers
#   occur;
# - void: a network never answers 255, so a void pixel is never equal;
# - numbers in the map: three channels have three places;
# - gray: of equal numbers `argmax` takes the first, while the network also goes by
#   shapes.
#
# For discussion: "all grass" scored better than the map of brightest channels. A
# good answer says that a score needs a yardstick, and names this one.
