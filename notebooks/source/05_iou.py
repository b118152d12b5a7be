# %% [markdown]
# # When is a segmentation good?
#
# You can build an FCN from single windows; now you learn to judge what it
# draws.
#
# The first figure shows a scene, its truth, and two maps. Map A calls the fence
# and the horse grass. Map B has everything, 6 pixels too far to the right; its
# left edge is repeated. Where the truth is void, both have the lowest class nearby
# (`cv2.erode` finds it). Which map is better?

# %%
import cv2
import numpy as np

from fcnlib import pasture, plotting

image, truth = pasture.draw_scene(seed=3, height=192, width=256)
lowest = cv2.erode(truth, np.ones((5, 5), dtype="uint8"))
filled = np.where(truth == 255, lowest, truth)  # a map has no void
map_a = np.where(filled >= 3, 1, filled).astype("uint8")
map_b = np.pad(filled, ((0, 0), (6, 0)), mode="edge")[:, :256]

plotting.show_images(
    [image, truth, map_a, map_b],
    ["picture", "truth", "map A", "map B"],
    alt="A pasture, its true label map, map A without fence and horse, and"
    " map B with everything a little too far to the right.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# By pixel accuracy, the score of lesson 0, map A is better. At the end of this
# lesson that is shown in numbers, with scores that disagree.
#
# After this lesson you can:
#
# - count a confusion matrix, and compute six scores from it;
# - predict what void, absent classes and averages do to a score;
# - tell a good score from one that a constant map reaches.
#
# 35 minutes to read, 25 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## What was called what?
#
# We begin with two maps of 16 pixels. One pixel of the labels is void, 255; its
# square is drawn gray and empty. The cell also sets how many scenes we score in
# the end.

# %%
import os

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 24 if QUICK else 240
tiny_labels = np.array(
    [[0, 0, 0, 1], [0, 0, 1, 1], [2, 2, 1, 1], [255, 2, 0, 0]], dtype="uint8"
)
tiny_predictions = np.array(
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 0, 1, 1], [2, 2, 0, 2]], dtype="uint8"
)
plotting.show_grids(
    [np.where(tiny_labels < 255, tiny_labels, np.nan), tiny_predictions],
    ["labels", "predictions"],
    alt="Two grids of 4 × 4 numbers from 0 to 2. They differ in three squares,"
    " and in the corner at the bottom left, where the labels are void.",
)

# %% [markdown]
# A **confusion matrix** is a table with a row for each true class and a column
# for each predicted class, in which every square counts its pixels. Two loops
# fill it. A void pixel has no true class, so it is left out.


# %%
def count_pairs(labels, predictions, num_classes):
    """Count the pixels of each pair of true and predicted class."""
    confusion = np.zeros((num_classes, num_classes), dtype="int64")
    height, width = labels.shape
    for i in range(height):
        for j in range(width):
            if labels[i, j] != 255:
                confusion[labels[i, j], predictions[i, j]] += 1
    return confusion


# %% [markdown]
# ### Predict, then run
#
# Write down the sum of all nine counts, and the sum of the first row. Then run
# the cell.

# %%
tiny_confusion = count_pairs(tiny_labels, tiny_predictions, num_classes=3)
tiny_confusion

# %% [markdown]
# The sum is 15, because one of the 16 pixels is void. The first row holds the 7
# pixels whose true class is 0: five were called 0, one was called 1, one was
# called 2. What is right stands on the diagonal.
#
# Loops are slow. Without them: give each pair of classes a number of its own,
# then count the numbers. Labels are bytes, and a byte ends at 255. With 21
# classes the numbers go up to 440, so the labels become larger integers first.

# %% tags=["nbval-ignore-output"]
import time


def count_pairs_fast(labels, predictions, num_classes):
    """Number the pairs of classes, and count how often each number occurs."""
    known = labels != 255
    pairs = labels[known].astype("int64") * num_classes + predictions[known]
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def time_it(count, labels, predictions):
    """Return a confusion matrix, and the seconds that it took."""
    start = time.perf_counter()
    return count(labels, predictions, 5), time.perf_counter() - start


slow_confusion, slow_seconds = time_it(count_pairs, truth, map_b)
fast_confusion, fast_seconds = time_it(count_pairs_fast, truth, map_b)

assert np.array_equal(slow_confusion, fast_confusion)
assert slow_seconds > 3 * fast_seconds
print(f"{truth.size} pixels: {slow_seconds / fast_seconds:.0f} times as fast")

# %% [markdown]
# Both give the same counts. `fcnlib` and Keras count the same way; Keras must be
# told which number is void.

# %%
import keras

from fcnlib import metrics

keras_iou = keras.metrics.MeanIoU(num_classes=3, ignore_class=255)
keras_iou.update_state(tiny_labels, tiny_predictions)
ours = metrics.confusion_matrix(tiny_labels, tiny_predictions, num_classes=3)

assert tiny_confusion.sum() == 15 and tiny_confusion[0].sum() == 7
assert np.array_equal(tiny_confusion, ours)
assert np.array_equal(tiny_confusion, keras_iou.total_cm.numpy())

# %% [markdown]
# ## What can be computed from the counts?
#
# Four things are read from the matrix: the sum of all counts, the diagonal, the
# sums of the rows (how many pixels a class has), and the sums of the columns (how
# many pixels were called that). Pixel accuracy needs the diagonal and the sum of
# all counts. **Mean accuracy** is the share of pixels that were found, taken for
# each class alone and then averaged. We keep exact fractions.

# %%
from fractions import Fraction
from statistics import mean


def ratios(parts, wholes):
    """Divide two rows of whole numbers exactly."""
    pairs = zip(parts, wholes, strict=True)
    return [Fraction(int(part), int(whole)) for part, whole in pairs]


hits = np.diag(tiny_confusion)
true_pixels = tiny_confusion.sum(axis=1)
called_pixels = tiny_confusion.sum(axis=0)
found = ratios(hits, true_pixels)

assert mean(found) == Fraction(50, 63)
print("pixel accuracy", *ratios([hits.sum()], [tiny_confusion.sum()]))
print("found, by class", *found, "mean accuracy", mean(found))

# %% [markdown]
# All pixels of class 1 were found. But a pixel of class 0 was called 1 as well,
# and these scores do not blame class 1 for it. A map that calls everything 1
# finds all of class 1 too.
#
# **Intersection over union (IoU)** is the number of pixels where truth and
# prediction both name a class, divided by the number of pixels where at least
# one of them does. It blames a class for what it misses and for what it takes.
#
# As areas: a box, and the same box moved to the right.


# %%
def move_box(shift):
    """Draw a box, 1, and the box moved right, 2; where both are, 3."""
    columns = np.arange(24)
    box = (columns >= 2) & (columns < 12)
    moved = (columns >= 2 + shift) & (columns < 12 + shift)
    rows = ((np.arange(10) >= 2) & (np.arange(10) < 8))[:, np.newaxis]
    return (rows * (box + 2 * moved)).astype("uint8")  # (10, 24)


AREAS = ("background", "truth only", "prediction only", "both")
plotting.show_images(
    [move_box(shift) for shift in (0, 2, 5, 8)],
    ["IoU 1", "IoU 2/3", "IoU ?", "IoU 1/9"],
    alt="Four times a box and the same box moved by 0, 2, 5 and 8 of its 10"
    " columns. The area of both shrinks while the area of either grows.",
    class_names=AREAS,
)

# %% [markdown]
# The union is everything in color; the intersection is the part named "both".
#
# ### Predict, then run
#
# In the third panel the box is moved by half of its width, so half of it is
# found. What is its IoU? Write it down, then run the cell.


# %%
def score_areas(areas):
    """Return IoU and Dice of the two boxes, exactly."""
    _, truth_only, prediction_only, both = np.bincount(
        areas.ravel(), minlength=4
    )
    either = truth_only + prediction_only + both
    return ratios([both, 2 * both], [either, either + both])


print("IoU {}, Dice {}".format(*score_areas(move_box(5))))

# %% [markdown]
# It is 1/3. What is missed on the left appears again as too much on the right,
# so the union grows: 30 pixels of 90.
#
# The score named **Dice** is twice the intersection divided by the sum of the two
# sizes. Here it is 1/2. The next figure follows both scores while the box moves.

# %%
shifts = list(range(13))
box_scores = [score_areas(move_box(shift)) for shift in shifts]
box_ious, box_dices = np.array(box_scores, dtype="float64").T

plotting.show_curves(
    {"Dice": (shifts, box_dices), "IoU": (shifts, box_ious)},
    alt="Two falling curves over the shift. Both begin at 1 and are 0 from"
    " shift 10 on. Dice falls on a straight line, IoU sags below it.",
    x_label="shift in pixels",
    y_label="score",
)

# %% [markdown]
# Dice falls evenly, and IoU falls at once by a third for a shift of 2. Both
# begin at 1 and end at 0, and Dice is never lower. If widgets work where you
# read this, move the slider; it draws the boxes of the figure above, and prints
# the two scores of this one.

# %% tags=["explorer", "nbval-ignore-output"]
import ipywidgets


def draw_moved_box(shift):
    iou, dice = score_areas(move_box(shift))
    plotting.show_images(
        [move_box(shift)],
        [f"IoU {iou}, Dice {dice}"],
        alt=f"A box and the same box moved by {shift} columns.",
        class_names=AREAS,
    )


slider = ipywidgets.IntSlider(value=5, min=0, max=12)
ipywidgets.interactive(draw_moved_box, shift=slider)

# %% [markdown]
# ### Exercise: a box that moved two ways
#
# A box is 6 rows high and 8 columns wide. The prediction is the same box, moved
# 1 row down and 2 columns to the right. Set `box_iou` to its IoU, as a fraction
# such as `1 / 3`. For a box of 2 rows and 2 columns, moved 1 row down, it is
# `2 / 6`.
#
# <details><summary>Hint 1</summary>
#
# Which rows do both boxes share, and which columns?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Draw the example of 2 × 2 on squared paper: 2 squares are in both boxes, 2
# only in the first, 2 only in the second.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The sizes of the two boxes add up to more than the union, because the shared
# squares are counted twice.
#
# </details>

# %% points=1
# solution
overlap = (6 - 1) * (8 - 2)
box_iou = overlap / (2 * 6 * 8 - overlap)

# %%
from fcnlib import checks

checks.moved_box_iou(box_iou)

# %% [markdown] tags=["instructor"]
# **For instructors.** The frequent answer is 5/8, the share of the box that was
# found. Ask: what is the score of a prediction that covers the whole picture?

# %% [markdown]
# ## What do the scores say together?
#
# Now the scores of the 16 pixels, by hand. **Mean IoU** is the mean of the IoU of
# all classes, each counting the same. **Frequency-weighted IoU** is the mean in
# which each class counts as much as it has true pixels.

# %%
missed = true_pixels - hits
taken = called_pixels - hits
union = hits + missed + taken
ious = ratios(hits, union)
dices = ratios(2 * hits, true_pixels + called_pixels)
weighted = np.dot(true_pixels, ious) / 15

assert mean(ious) == Fraction(47, 72) and weighted == Fraction(241, 360)
assert mean(dices) == Fraction(1006, 1287)
print("IoU ", *ious, "mean", mean(ious), "weighted", weighted)
print("Dice", *dices, "mean", mean(dices))

# %% [markdown]
# Class 1, found completely, now has 5/6. Dice can be computed from IoU, as
# 2 IoU / (1 + IoU), so for one class both put two maps in the same order. One
# cell says that `fcnlib` and Keras agree with our fractions.

# %%
exact = np.array(ious)
assert np.array_equal(dices, 2 * exact / (1 + exact))
pairs_to_compare = [
    (metrics.pixel_accuracy, Fraction(4, 5)),
    (metrics.mean_accuracy, mean(found)),
    (metrics.iou, ious),
    (metrics.mean_iou, mean(ious)),
    (metrics.frequency_weighted_iou, weighted),
    (metrics.dice, dices),
]
for score, by_hand in pairs_to_compare:
    expected = np.array(by_hand, dtype="float64")
    np.testing.assert_allclose(score(tiny_confusion), expected)
np.testing.assert_allclose(keras_iou.result(), 47 / 72, rtol=1e-5)

# %% [markdown]
# It is a mistake that is easily made to turn the ratio upside down: the area of
# the union divided by the area of the overlap, said to lie between 0 and 1. It
# cannot be both.

# %%
upside_down = ratios(union, hits)

assert min(upside_down) >= 1
print(*upside_down)

# %% [markdown]
# The intersection is a part of the union, so the union is never smaller. This
# ratio is 1 at best, grows as the map gets worse, and for a class that was never
# hit it divides by 0.

# %% [markdown]
# ### Exercise: the IoU of one class
#
# `confusion[i, j]` counts the pixels of true class `i` that were called `j`.
# Return the IoU of `class_id`, one number. For `[[3, 1], [2, 4]]` and class 1 it
# is 4/7. `class_id` occurs in the truth.
#
# <details><summary>Hint 1</summary>
#
# In the example, 4 pixels are right, 2 pixels of class 1 were missed, and 1
# pixel was called 1 by mistake.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Row `class_id` holds all pixels of the class, and the column of that number all
# pixels that were called so. One square is in both.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `confusion[:, 1]` is the column of class 1. In the example, its row adds up to 6
# and its column to 5. That is 11, and the union holds 7 pixels: which 4 are too
# many?
#
# </details>


# %% points=2
def class_iou(confusion, class_id):
    # solution
    right = confusion[class_id, class_id]
    either = confusion[class_id].sum() + confusion[:, class_id].sum() - right
    return right / either


# %%
checks.class_iou(class_iou)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many divide by the row alone, which is the accuracy of the
# class, or count the square on the diagonal twice. Ask for the score of a map
# that calls everything class 1.

# %% [markdown]
# ## Which pixels and classes count?
#
# Void must stay out of the row *and* out of the column. Two mistakes are
# frequent: 255 becomes class 0, or one class more. To see what they cost, we
# need the mean IoU of any matrix.


# %%
def exact_mean_iou(confusion):
    """Return the mean IoU of the classes that occur, as a fraction."""
    right = np.diag(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    occurs = either > 0
    return mean(ratios(right[occurs], either[occurs]))


as_class_0 = np.where(tiny_labels == 255, 0, tiny_labels)
as_class_3 = np.where(tiny_labels == 255, 3, tiny_labels)
mean_ious = [
    exact_mean_iou(count_pairs_fast(labels_used, tiny_predictions, 4))
    for labels_used in (tiny_labels, as_class_0, as_class_3)
]

assert mean_ious == [Fraction(47, 72), Fraction(161, 270), Fraction(223, 480)]
print("void left out {}, as class 0 {}, as a class {}".format(*mean_ious))

# %% [markdown]
# In decimals that is 0.65, 0.60 and 0.46, for one and the same map. One pixel of
# 16 did it.
#
# The first two matrices had four classes, and class 3 was nowhere. Its IoU is 0
# divided by 0. What should that be? In this course, a class that is in neither
# map has the score nan, "not a number", and is left out of every mean. Keras
# leaves it out too. One could also count it as 0. Say we declare five classes:

# %%
five_confusion = metrics.confusion_matrix(tiny_labels, tiny_predictions, 5)
keras_of_five = keras.metrics.MeanIoU(num_classes=5, ignore_class=255)
keras_of_five.update_state(tiny_labels, tiny_predictions)
as_zero = sum(ious) / 5

assert exact_mean_iou(five_confusion) == Fraction(47, 72)
np.testing.assert_allclose(keras_of_five.result(), 47 / 72, rtol=1e-5)
assert as_zero == Fraction(47, 120)
metrics.iou(five_confusion).round(3)

# %% [markdown]
# Left out, the mean stays 47/72. Counted as 0, it falls to 47/120, for a map that
# made no mistake with those classes.
#
# A class that is predicted and never true is another matter. Each of its pixels
# is wrong, so its IoU is 0, and the 0 counts. Nothing of it could be found, so
# its accuracy is nan. And without any pixel, all is nan.

# %%
invented = np.array([[3, 1], [0, 0]])  # class 1 was predicted once, wrongly
invented_means = metrics.mean_iou(invented), metrics.mean_accuracy(invented)

assert invented_means == (0.375, 0.75)
assert np.isnan(metrics.mean_iou(np.zeros((2, 2))))
metrics.iou(invented), metrics.class_accuracy(invented)

# %% [markdown]
# ### Exercise: find the mistake
#
# This function holds a mistake that is easily made. Its comment sounds wise.
#
# ```python
# def mean_iou(confusion):
#     hits = np.diag(confusion)
#     union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
#     scores = hits / np.maximum(union, 1)  # never divide by 0
#     return scores.mean()
# ```
#
# For `[[3, 1], [2, 4]]` it returns 0.536, as `metrics.mean_iou` does. Set
# `counterexample` to a confusion matrix, as such a nested list, for which the
# two return different numbers. It must hold at least one pixel.
#
# <details><summary>Hint 1</summary>
#
# Which line does something that the definition of IoU does not ask for?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# For which class does `np.maximum(union, 1)` differ from `union`?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# What is in the row and in the column of a class whose union is 0?
#
# </details>

# %% points=1
# solution
counterexample = [[3, 1, 0], [2, 4, 0], [0, 0, 0]]

# %%
checks.iou_counterexample(counterexample)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many first try a class that is only predicted; both
# functions give it 0, and the check says so. Ask which score a student deserves
# for a question that the test did not hold.

# %% [markdown]
# ## One score per picture, or one for all?
#
# Two pictures of 100 pixels. In A, the object fills the left half, and the
# prediction misses one column of it. In B, the object has 2 pixels, and the
# prediction misses both. We may count both pictures in one matrix, or score each
# picture and average.

# %%
columns = np.tile(np.arange(10), (10, 1))
first_two = np.arange(100).reshape(10, 10) < 2
pair_labels = np.stack([columns < 5, first_two]).astype("uint8")
pair_predictions = np.stack([columns < 4, columns < 0]).astype("uint8")

confusion_a, confusion_b = (
    count_pairs_fast(*picture, num_classes=2)
    for picture in zip(pair_labels, pair_predictions, strict=True)
)
of_dataset = exact_mean_iou(confusion_a + confusion_b)
of_images = mean([exact_mean_iou(confusion_a), exact_mean_iou(confusion_b)])

assert of_dataset == Fraction(881, 1040) and of_images == Fraction(49, 75)
print(f"one matrix {of_dataset}, mean over pictures {of_images}")

# %% [markdown]
# That is 0.85 against 0.65. Averaged over pictures, B's object of 2 pixels weighs
# as much as A's of 50. Both can be computed. What the FCN paper and Pascal VOC
# call mean IoU comes from a single matrix for the whole dataset.
#
# Keras adds up its matrix too, until it is reset. With two classes, another
# question comes up: is the background a class?

# %%
both_classes = keras.metrics.BinaryIoU()
object_only = keras.metrics.BinaryIoU(target_class_ids=[1])
for pair in zip(pair_labels, pair_predictions, strict=True):
    both_classes.update_state(*pair)  # one picture at a time
    object_only.update_state(*pair)

assert np.isclose(both_classes.result(), 881 / 1040)
assert np.isclose(object_only.result(), 10 / 13)
metrics.iou(confusion_a + confusion_b)  # 37/40 and 10/13

# %% [markdown]
# Picture by picture, Keras arrives at the score of the dataset. Its `BinaryIoU`
# averages object and background unless told otherwise. The background is large
# and easy, so the mean, 0.85, looks better than the object's own 0.77.

# %% [markdown]
# ### Exercise: the mean IoU of a dataset
#
# Return one number: the mean IoU of all pictures in one count. `labels` and
# `predictions` are (N, H, W) arrays of bytes, `labels` with 255 for void;
# predictions under void do not matter. Classes are 0 to `num_classes - 1`. Leave
# out those that occur neither in the labels nor, outside void, in the
# predictions. Write it anew with NumPy, without this notebook's functions and
# without `metrics`.
#
# For `labels` `[[[0, 0, 1, 255]]]`, `predictions` `[[[0, 1, 1, 0]]]` and three
# classes, it is 1/2: class 0 and class 1 have 1/2 each, class 2 is left out.
#
# <details><summary>Hint 1</summary>
#
# You need no confusion matrix. For one class, `labels == number` and
# `predictions == number` are two maps of `True` and `False`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `&` is true where both are, `|` where at least one is. Which of the two can be
# true at a void pixel?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Collect the scores in a list, with an `if` that asks whether the class has a
# union at all. `np.mean` takes lists.
#
# </details>


# %% points=3
def dataset_mean_iou(labels, predictions, num_classes):
    # solution
    scores = []
    for number in range(num_classes):
        is_class, called = labels == number, predictions == number
        either = (is_class | (called & (labels != 255))).sum()
        if either > 0:
            scores.append((is_class & called).sum() / either)
    return np.mean(scores)


# %%
checks.dataset_mean_iou(dataset_mean_iou)

# %% [markdown] tags=["instructor"]
# **For instructors.** Void is left out of the intersection by itself, since no
# class is 255, so it is forgotten in the union. Ask for the score of a perfect
# map whose void is filled with horses.

# %% [markdown]
# ## What does a good score look like?
#
# A **baseline** is the score of a map that needs no picture, such as one class
# everywhere. A score below it shows nothing learned, as far as this score can
# see.
#
# ### Predict, then run
#
# Let K be the number of classes and p the share of the largest one, grass. All K
# classes occur; p is its share of the pixels that are not void, here 0.434. A map
# says grass everywhere. Write down its pixel accuracy, mean IoU, and
# frequency-weighted IoU in terms of p and K, and as numbers. Then run the cell.

# %%
images, labels = pasture.draw_scenes(range(NUM_SCENES))  # (24, 128, 128, 3)
all_grass = metrics.confusion_matrix(labels, np.ones_like(labels), 5)
grass_scores = (
    metrics.pixel_accuracy(all_grass),
    metrics.mean_iou(all_grass),
    metrics.frequency_weighted_iou(all_grass),
)
print("accuracy {:.3f}, mean {:.3f}, weighted {:.3f}".format(*grass_scores))

# %% [markdown]
# Pixel accuracy is p. Grass has the IoU p, since its union is the whole picture;
# the other classes have 0. So the mean IoU is p/K. Weighted by frequency, its IoU
# p is weighted by p, which makes p squared.

# %%
share = all_grass[1].sum() / all_grass.sum()

assert (all_grass.sum(axis=1) > 0).all()  # every class occurs
np.testing.assert_allclose(grass_scores, [share, share / 5, share**2])
for p in (0.7285, 0.75):
    print(f"VOC, p {p:.4f}: mean IoU {p / 21:.5f}, weighted {p**2:.4f}")

# %% [markdown]
# The two lines are for Pascal VOC, where K is 21 and about three quarters of the
# pixels are background. A weighted score of 0.56 can be a network that has
# learned nothing. And who asks why the mean IoU
# [always is 0.03469](https://github.com/zijundeng/pytorch-semantic-segmentation/issues/43)
# reports the very number of a map that says background everywhere
# (0.03469 × 21 = 0.73).
#
# Now three networks that come with the course. Lesson 4 built them; FCN-8s uses
# the finest pool. A card beside each names the seeds that it was trained on; ours
# are not among them.

# %% tags=["nbval-ignore-output"]
from fcnlib import models

names = ["pasture-fcn32s", "pasture-fcn16s", "pasture-fcn8s"]
networks = [models.load_pretrained(name) for name in names]
maps = [models.predict_labels(network, images) for network in networks]
confusions = [metrics.confusion_matrix(labels, drawn, 5) for drawn in maps]
class_ious = np.array([metrics.iou(confusion) for confusion in confusions])
first_seeds = [models.read_card(name)["seeds"][0] for name in names]

assert min(first_seeds) >= NUM_SCENES  # ours are below
assert (np.diff(class_ious.mean(axis=1)) > 0).all()
assert class_ious.mean(axis=1).min() > grass_scores[1] + 0.2
assert set(class_ious.argmin(axis=1)) == {pasture.CLASSES.index("fence")}
print(f"{'':15}", *(f"{name:>6}" for name in pasture.CLASSES))
rows = [metrics.iou(all_grass), *class_ious]
for name, row in zip(["grass only", *names], rows, strict=True):
    print(f"{name:15}", *(f"{value:6.2f}" for value in row))

# %% [markdown]
# All three are far above the baseline, each skip connection raises the mean, and
# the fence is the hardest class. A mean hides that, so show the classes too.
#
# During training, scores are often averaged over batches. With the same maps of
# FCN-8s, what does the size of a batch do?


# %% tags=["nbval-ignore-output"]
def mean_over_batches(labels, predictions, batch_size):
    """Average the mean IoU of batches: a mistake, made to be seen."""
    starts = range(0, len(labels), batch_size)
    batches = [slice(start, start + batch_size) for start in starts]
    counted = [
        metrics.confusion_matrix(labels[batch], predictions[batch], 5)
        for batch in batches
    ]
    return mean(metrics.mean_iou(confusion) for confusion in counted)


sizes = (1, 4, 12, NUM_SCENES)
means = [mean_over_batches(labels, maps[-1], size) for size in sizes]

assert max(means) - min(means) > 0.005
{size: round(value, 3) for size, value in zip(sizes, means, strict=True)}

# %% [markdown]
# The maps are the same, and the score changes with the size of the batch. Adding
# up the matrices gives one number, whatever the batches.

# %% [markdown]
# ## And the borders?
#
# Most pixels lie inside large regions, where every network is right.
# **Boundary IoU** is the IoU of two thin strips, the one along the borders of the
# truth and the one along those of the prediction. We take a simpler score, which
# the literature calls trimap IoU. It is the IoU counted over all pixels near a
# border of the truth, here within 3 pixels. By hand: a pixel belongs to this band
# if a shift of the map by up to 3 pixels puts another label on it. So the edges
# of the void strip count as borders too.
#
# In the third panel, all that is outside the band is gray.


# %%
def border_band(labels, distance):
    """Mark the pixels of a map that have another label within a distance."""
    padded = np.pad(labels, distance, mode="edge")
    window_view = np.lib.stride_tricks.sliding_window_view
    shifted = window_view(padded, labels.shape)  # (7, 7, H, W): all shifts
    return (shifted != labels).any(axis=(0, 1))


band = border_band(truth, distance=3)
painted = plotting.colorize(truth)
plotting.show_images(
    [image, truth, np.where(band[..., np.newaxis], painted, np.uint8(160))],
    ["picture", "truth", "band"],
    alt="The pasture, its label map, and the map with all pixels gray that"
    " are more than 3 pixels from a border: thin bands remain.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The band is the one that two lines of OpenCV marked in lesson 0, only narrower.
# For the score, all labels outside the band become void. Then everything else
# stays as it was: a second confusion matrix, and the same functions. The table
# tries five widths, with grass everywhere beside the networks.


# %% tags=["nbval-ignore-output"]
def score_near(labels, distance, label_maps):
    """Score maps over the pixels within a distance of a border."""
    bands = [border_band(one_map, distance) for one_map in labels]
    near = np.where(bands, labels, 255)
    counted = [
        metrics.confusion_matrix(near, drawn, 5) for drawn in label_maps
    ]
    return [metrics.mean_iou(confusion) for confusion in counted]


window = np.ones((7, 7), dtype="uint8")
by_opencv = cv2.dilate(truth, window) != cv2.erode(truth, window)
all_maps = [np.ones_like(labels), *maps]
distances = (1, 2, 3, 5, 8)
near = np.array([score_near(labels, width, all_maps) for width in distances])

assert np.array_equal(band, by_opencv)
assert (class_ious.mean(axis=1) - near[:, 1:] > 0.02).all()
assert (np.diff(near) > 0).all() and (np.diff(near[:, 1:], axis=0) > 0).all()
print("pixels  grass    32s    16s     8s")
for distance, row in zip(distances, near, strict=True):
    print(f"{distance:6}", *(f"{value:6.2f}" for value in row))

# %% [markdown]
# The networks stay far above the map of grass here too, and each is worse near
# borders than everywhere. The narrower the band, the lower its score. So a score
# near borders can only be compared with one over a band of the same width.

# %% [markdown]
# ## Which map is better?
#
# Back to maps A and B of the first figure. The last two scores are the mean IoU
# within 3 pixels of a border, and the mean IoU of two classes: horse, and all the
# rest.


# %% tags=["nbval-ignore-output"]
def score_map(labels, band, predictions):
    """Score a map over all pixels, near borders, and as horse or rest."""
    whole = metrics.confusion_matrix(labels, predictions, 5)
    near = np.where(band, labels, 255)
    horse = np.where(labels == 255, 255, labels == 4)
    near_borders = metrics.confusion_matrix(near, predictions, 5)
    two_classes = metrics.confusion_matrix(horse, predictions == 4, 2)
    return {
        "pixel accuracy": metrics.pixel_accuracy(whole),
        "weighted IoU": metrics.frequency_weighted_iou(whole),
        "mean IoU": metrics.mean_iou(whole),
        "near borders": metrics.mean_iou(near_borders),
        "horse or rest": metrics.mean_iou(two_classes),
    }


scores_a = score_map(truth, band, map_a)
scores_b = score_map(truth, band, map_b)
a_is_better = [scores_a[title] > scores_b[title] for title in scores_a]
assert a_is_better == [True, True, False, True, False]
for title, score_a in scores_a.items():
    print(f"{title:15} A {score_a:.2f}  B {scores_b[title]:.2f}")

# %% [markdown]
# A has the better pixel accuracy, frequency-weighted IoU, and trimap IoU: sky and
# grass are large, and their borders are exact. B has the better mean IoU, in five
# classes and in two, because it has a horse and a fence.
#
# The two classes have a trap of their own: for map B the mean over horse and rest
# is higher than the mean over five classes, though not one pixel changed. Always
# say which classes are in a mean.
#
# So a score answers a question, and you choose the question first. Where rare
# classes matter, mean IoU is the usual one, with the classes beside it.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - counted confusion matrices, and computed six scores from them as exact
#   fractions;
# - predicted what void, absent classes and averages do to a score, and found two
#   mistakes that are easily made;
# - told three trained networks from a constant map, class by class and near
#   borders.
#
# You can now build a network and judge it. The next lesson asks what has to be
# right for it to learn.

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 5 defines the four
#   scores from pixel accuracy to frequency-weighted IoU.
# - M. Everingham and others (2010):
#   [The Pascal Visual Object Classes (VOC)
#   Challenge](https://doi.org/10.1007/s11263-009-0275-4). IoU as the score of
#   a public contest, with void left out.
# - B. Cheng and others (2021):
#   [Boundary IoU](https://arxiv.org/abs/2103.16562). Defines it, and compares it
#   with trimap IoU, the score of this lesson.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: a score answers a question, and you
# choose the question. Let the class vote on map A or map B before any number
# appears, and again at the end.
#
# Minutes to read: opening 2, what was called what 4, from the counts 7, scores
# together 3, which pixels count 4, one score or many 4, a good score 5, borders 4,
# which map 2.
#
# Misconceptions, and the question that brings each to light:
#
# - IoU and accuracy differ only in scale. Ask: what does calling everything horse
#   do to each of them?
# - The mean of the pictures' scores is the score of all pictures. Ask: what may an
#   object of two pixels weigh?
# - 0.9 is good. Ask: what does a map score that never saw the picture?
# - An absent class has the score 0. Ask: which mistake did the map make?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - sums: void is in no row, so all counts add up to the valid pixels; a row adds up
#   to the true pixels of its class;
# - the moved box: what is missed on one side is too much on the other, so the union
#   grows by what the intersection loses;
# - all grass: accuracy p; the other classes have IoU 0, so the mean is p / K;
#   weighted by frequency, p times p.
#
# For discussion: which map is better? Full points for a use that decides it, such
# as counting horses or measuring pasture, together with the score that fits the use.
# No points for a map without a question.
