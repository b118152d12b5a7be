# %% [markdown]
# # How do 4 × 4 scores become 128 × 128?
#
# You can convolve (lesson 1) and pool (lesson 2). After five poolings, a picture
# of 128 × 128 pixels has only 4 × 4 positions left, and each has one score per
# class. A label map needs a class for every pixel.
#
# No network is needed to study the way back. As in lesson 2, our scores are the
# shares of the classes in each cell, here of 32 × 32 pixels.

# %%
import keras
import numpy as np

from fcnlib import pasture, plotting


def cell_shares(labels, stride):
    count, height, width = labels.shape
    is_class = labels[..., None] == np.arange(5)  # (N, H, W, 5): void is none
    cells = (count, height // stride, stride, width // stride, stride, 5)
    return is_class.reshape(cells).mean(axis=(2, 4), dtype="float32")


image, truth = pasture.draw_scene(seed=3)
coarse = cell_shares(truth[None], 32)  # (1, 4, 4, 5)
blocks = keras.layers.UpSampling2D(32)(coarse)  # (1, 128, 128, 5)
slopes = keras.layers.UpSampling2D(32, interpolation="bilinear")(coarse)

plotting.show_images(
    [image, truth, np.argmax(blocks[0], -1), np.argmax(slopes[0], -1)],
    ["picture", "truth", "nearest", "bilinear"],
    alt="A pasture, its label map, and two maps made of the same 4 by 4"
    " scores: one of square blocks, one with slanted outlines.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Both maps on the right come from the same 4 × 4 × 5 numbers. The way of
# enlarging them makes the difference.
#
# After this lesson you can:
#
# - enlarge scores by nearest neighbor and by bilinear interpolation, and say
#   where each pixel looks;
# - compute a transposed convolution in three ways, and predict its size;
# - tell which kernels cause checkerboards, and what happens at the border;
# - decide whether a kernel should be learned or fixed.
#
# 30 minutes to read, 20 seconds to run on a laptop without a GPU. The last
# section learns from a few scenes, or from more if `FCNLIB_PROFILE` says `full`.

# %%
import os

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 40 if QUICK else 400

# %% [markdown]
# ## Copy or mix
#
# Making a map larger is called **upsampling**. The plainest way is
# **nearest-neighbor** upsampling: each new pixel copies the score whose cell it
# lies in. With factor 2, pixel 3 lies in cell 3 // 2 = 1.

# %%
import cv2


def enlarge_nearest(scores, factor):
    height, width = scores.shape
    enlarged = np.empty((height * factor, width * factor))
    for i, j in np.ndindex(enlarged.shape):
        enlarged[i, j] = scores[i // factor, j // factor]
    return enlarged


def repeat_nearest(scores, factor):
    return scores.repeat(factor, axis=0).repeat(factor, axis=1)


tiny = np.array([[0.0, 4.0], [8.0, 12.0]])
by_keras = keras.layers.UpSampling2D(2)(tiny[None, :, :, None])[0, ..., 0]
by_opencv = cv2.resize(tiny, (4, 4), interpolation=cv2.INTER_NEAREST)
for same in (repeat_nearest(tiny, 2), by_keras, by_opencv):
    np.testing.assert_array_equal(same, enlarge_nearest(tiny, 2))

# %% [markdown]
# Loops, `repeat`, Keras and OpenCV agree. The loops explain, and `repeat` is
# fast.

# %% tags=["nbval-ignore-output"]
import timeit


def milliseconds(work):
    return 1000 * min(timeit.repeat(work, number=1, repeat=5))


ramp_map = np.arange(256.0).reshape(16, 16)
loops = milliseconds(lambda: enlarge_nearest(ramp_map, 8))
vectorized = milliseconds(lambda: repeat_nearest(ramp_map, 8))

assert loops > 3 * vectorized
print(f"loops {loops:.1f} ms, repeat {vectorized:.3f} ms")
print(f"{loops / vectorized:.0f} times as fast")

# %% [markdown]
# To mix scores instead of copying one, a pixel must know where it lies between
# them. With **half-pixel centers**, the place of a cell or a pixel is its middle,
# half a unit from its edges. Pixel $i$ of a map that is $s$ times as large then
# lies at place
#
# $$\frac{i + 0.5}{s} - 0.5$$
#
# of the small map, counted from the middle of cell 0. In words: go to the pixel's
# middle, shrink, and count from the first cell's middle.


# %%
def half_pixel_places(size, factor):
    return (np.arange(size * factor) + 0.5) / factor - 0.5


half_pixel_places(size=2, factor=2)

# %% [markdown]
# Two cells became four pixels. Pixel 1 lies a quarter of the way from cell 0 to
# cell 1. Pixels 0 and 3 lie outside of all centers, and there we keep the outer
# score. Everywhere else we mix. By **bilinear interpolation**, a pixel gets the
# mean of its neighbors, the nearer ones weighted more, along the rows and then
# along the columns.
#
# ### Predict, then run
#
# The scores of a row are 0 and 4. Write down its four pixels, then run the cell.


# %%
def interpolate_row(row, places):
    inside = np.clip(places, 0, len(row) - 1)
    left = np.minimum(inside.astype(int), len(row) - 2)
    weight = inside - left  # 0 at the left neighbor, 1 at the right one
    return (1 - weight) * row[left] + weight * row[left + 1]


interpolate_row(np.array([0.0, 4.0]), half_pixel_places(2, 2))

# %% [markdown]
# The row is 0, 1, 3, 4: a quarter and three quarters of the way, and the outer
# scores at the ends. Now both directions, against Keras and OpenCV.


# %%
def enlarge_bilinear(scores, factor):
    down, across = (half_pixel_places(size, factor) for size in scores.shape)
    wide = [interpolate_row(row, across) for row in scores]
    tall = [interpolate_row(column, down) for column in np.transpose(wide)]
    return np.transpose(tall)


resize = keras.layers.UpSampling2D(2, interpolation="bilinear")
resized = resize(tiny[None, :, :, None])[0, ..., 0]
for same in (resized, cv2.resize(tiny, (4, 4))):
    np.testing.assert_allclose(same, enlarge_bilinear(tiny, 2))

plotting.show_grids(
    [tiny, enlarge_nearest(tiny, 2), enlarge_bilinear(tiny, 2)],
    ["scores", "nearest", "bilinear"],
    alt="A grid of 0, 4, 8, 12; the same in blocks of four equal numbers; and"
    " 16 numbers that rise evenly from 0 to 12, with first row 0, 1, 3, 4.",
)

# %% [markdown]
# Nearest repeats four numbers, bilinear rises evenly between them. Does that
# matter for labels? The next cell scores both on 20 scenes.

# %% tags=["nbval-ignore-output"]
_, scene_labels = pasture.draw_scenes(range(20))


def accuracy(scores, labels):
    return np.mean((np.argmax(scores, -1) == labels)[labels != 255])


for stride in (32, 16, 8):
    shares = cell_shares(scene_labels, stride)
    nearest, bilinear = (
        keras.layers.UpSampling2D(stride, interpolation=way)(shares)
        for way in ("nearest", "bilinear")
    )
    low = accuracy(nearest, scene_labels)
    high = accuracy(bilinear, scene_labels)
    assert high > low + 0.01
    print(f"stride {stride}: nearest {low:.2f}, bilinear {high:.2f}")

# %% [markdown]
# From the same scores, bilinear gains some points of pixel accuracy at every
# stride. The first row is the lesson's question: from 4 × 4 to 128 × 128 it takes
# factor 32.
#
# ## Where does a pixel look?
#
# Two other conventions are in use. *Aligned corners* put the first and last pixel
# on the first and last center. *Aligned origins* leave out both halves: place
# $i / s$. Here is a test: pixel $i$ of a ramp of 32 pixels holds $i$. Pool the
# ramp by means of 8, and enlarge it 8 times.
#
# ### Predict, then run
#
# Which of the three conventions gives the ramp back? Name one, then run the cell.
# It prints the errors at the pixels 8, 16 and 24.


# %%
def ramp_error(places, factor):
    ramp = np.arange(len(places))
    pooled = ramp.reshape(-1, factor).mean(axis=1)  # 3.5, 11.5, 19.5, 27.5
    return interpolate_row(pooled, places) - ramp


errors = {
    "half-pixel": ramp_error(half_pixel_places(4, 8), 8),
    "corners": ramp_error(np.linspace(0, 3, 32), 8),
    "origins": ramp_error(np.arange(32) / 8, 8),
}
{name: error[[8, 16, 24]].round(1).tolist() for name, error in errors.items()}

# %% [markdown]
# Half-pixel centers do, at these three pixels. The figure shows all 32.

# %%
np.testing.assert_allclose(errors["half-pixel"][4:-4], 0, atol=1e-9)
np.testing.assert_allclose(errors["corners"][[0, -1]], [3.5, -3.5])
np.testing.assert_allclose(errors["origins"][:25], 3.5)
plotting.show_curves(
    {name: (np.arange(32), error) for name, error in errors.items()},
    "Three error curves. Half-pixel: 0 but for the outer 4 pixels at each end."
    " Corners: falling from 3.5 to -3.5. Origins: 3.5 up to pixel 24, then"
    " falling.",
    "pixel",
    "error",
)

# %% [markdown]
# Half-pixel centers give the ramp back, but for the outer 4 pixels at each end,
# which lie beyond the last center. Aligned corners stretch the map. Aligned
# origins move it by $(s - 1) / 2$ = 3.5 pixels to the left and to the top; with
# factor 32, by 15.5. Early TensorFlow did so. Keras, OpenCV and this course use
# half-pixel centers.

# %% [markdown]
# ## Every score presses a stamp
#
# So far each pixel asked where to look. Turn it around, and let each score press
# a stamp. A **transposed convolution** multiplies a kernel by each score and adds
# the products into a larger map, `stride` pixels apart; where stamps overlap,
# they add up. Its other name, *deconvolution*, promises too much, as we will see.


# %%
def stamp(scores, kernel, stride):
    size = len(kernel)
    height, width = ((count - 1) * stride + size for count in scores.shape)
    enlarged = np.zeros((height, width))
    for (i, j), score in np.ndenumerate(scores):
        top, left = i * stride, j * stride
        enlarged[top : top + size, left : left + size] += score * kernel
    return enlarged


small = np.array([[1, 2], [3, 4]])
kernel = np.arange(1, 10).reshape(3, 3)
order = np.arange(4).reshape(2, 2)
steps = [stamp(small * (order <= step), kernel, 2) for step in range(4)]

assert steps[-1][2, 2] == 1 * 9 + 2 * 7 + 3 * 3 + 4 * 1
plotting.show_grids(
    steps,
    ["score 1", "then 2", "then 3", "then 4"],
    "Four 5 by 5 grids. In each, one more 3 by 3 stamp is outlined and added:"
    " top left, top right, bottom left, bottom right. The middle ends at 36.",
    [(0, 0, 3, 3), (0, 2, 3, 3), (2, 0, 3, 3), (2, 2, 3, 3)],
)

# %% [markdown]
# The scores 1, 2, 3 and 4 stamp the kernel, whose weights are 1 to 9, with
# stride 2. The pixel in the middle gets something from all four:
# 1 · 9 + 2 · 7 + 3 · 3 + 4 · 1 = 36.
#
# ### Predict, then run
#
# A map of 3 × 5 scores meets a 4 × 4 kernel with stride 2. Count on your
# fingers: where does the last stamp begin, where does it end? Write down the
# size, then run the cell.

# %%
random = np.random.default_rng(0)
wide_scores = random.normal(size=(3, 5))
big_kernel = random.normal(size=(4, 4))


def keras_stamp(scores, kernel, stride, padding):
    maps = np.float32(scores[None, ..., None])  # (1, height, width, 1)
    weights = np.float32(kernel[..., None, None])  # (size, size, 1, 1)
    enlarged = keras.ops.conv_transpose(maps, weights, stride, padding)
    return enlarged[0, ..., 0]


by_hand = stamp(wide_scores, big_kernel, 2)
valid = keras_stamp(wide_scores, big_kernel, 2, "valid")
same_size = keras_stamp(wide_scores, big_kernel, 2, "same")
np.testing.assert_allclose(valid, by_hand, atol=1e-5)
np.testing.assert_allclose(same_size, by_hand[1:-1, 1:-1], atol=1e-5)

odd = keras_stamp(small, kernel, 2, "same")  # cut at the bottom and right only
np.testing.assert_allclose(odd, stamp(small, kernel, 2)[:-1, :-1])
gaps = keras_stamp(small, np.ones((2, 2)), 3, "valid")  # zeros at the end
np.testing.assert_allclose(gaps[:5, :5], stamp(small, np.ones((2, 2)), 3))
assert gaps.shape == (2 * 3, 2 * 3)

by_hand.shape, tuple(same_size.shape)

# %% [markdown]
# With $n$ scores, stride $s$ and kernel size $k$, the last stamp begins at
# $(n - 1) s$ and ends $k$ pixels later: $(n - 1) s + k$ pixels, here 8 × 12.
# Keras calls that `padding="valid"`, for $k \ge s$; after a smaller kernel it adds
# zeros up to $n s$. With `padding="same"` it cuts $k - s$ pixels off, half of them
# at each side, and $n s$ are left: 6 × 10. If $k - s$ is odd, the extra one goes
# at the bottom and at the right.
#
# The loop over scores can be turned into one over weights: each weight adds a
# copy of the whole map, shifted by the weight's place.


# %% tags=["nbval-ignore-output"]
def stamp_fast(scores, kernel, stride):
    height, width = scores.shape
    rest = len(kernel) - stride
    enlarged = np.zeros((height * stride + rest, width * stride + rest))
    for (i, j), weight in np.ndenumerate(kernel):
        rows = slice(i, i + height * stride, stride)
        columns = slice(j, j + width * stride, stride)
        enlarged[rows, columns] += weight * scores
    return enlarged


many = random.normal(size=(64, 64))
np.testing.assert_allclose(stamp_fast(many, kernel, 2), stamp(many, kernel, 2))
scores_first = milliseconds(lambda: stamp(many, kernel, 2))
weights_first = milliseconds(lambda: stamp_fast(many, kernel, 2))
assert scores_first > 3 * weights_first
print(f"{scores_first / weights_first:.0f} times as fast")

# %% [markdown]
# ### Exercise: predict the shape
#
# `keras.layers.Conv2DTranspose(5, 16, strides=8, padding="valid")` has 5 filters
# and kernels of 16 × 16. It reads an array of shape (2, 4, 6, 64): two pictures,
# 4 × 6 positions, 64 channels. Bind `enlarged_shape` to the shape of its output,
# four numbers. (For 1 × 1 positions, 1 filter and one picture it would be
# (1, 16, 16, 1).)
#
# <details><summary>Hint 1</summary>
#
# Do not compute yet. How large is the output if the map has a single row? And if
# it has two?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each further row starts one more stamp, 8 pixels below the one before.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The first number counts pictures, and no layer changes it. The last one is
# the number of filters.
#
# </details>

# %% points=1
# solution
enlarged_shape = (2, 3 * 8 + 16, 5 * 8 + 16, 5)

# %%
from fcnlib import checks

checks.enlarged_shape(enlarged_shape)

# %% [markdown] tags=["instructor"]
# **For instructors.** Most learners answer (2, 32, 48, 5): they multiply by the
# stride, as `padding="same"` does. Ask for the output of a single position. It
# cannot be smaller than one stamp.

# %% [markdown]
# ## A convolution, read backward
#
# Why *transposed*? A convolution takes weighted sums of its input, so it is a
# matrix. Take a row of 5 numbers, the kernel 1, 2, 3 and stride 2: two outputs, a
# matrix of 2 × 5. Transposed, its rows become columns: 5 × 2.

# %%
matrix = np.array([[1, 2, 3, 0, 0], [0, 0, 1, 2, 3]])

assert (matrix.T @ [10, 1]).tolist() == [10, 20, 31, 2, 3]
plotting.show_grids(
    [matrix, matrix.T],
    ["convolution", "transposed"],
    alt="A matrix of two rows, 1 2 3 0 0 and 0 0 1 2 3, and its transpose: two"
    " columns, each with the stamp 1, 2, 3, the second one two rows lower.",
)

# %% [markdown]
# Each column of the transposed matrix is a stamp. Multiplied by the scores 10
# and 1, it gives 10, 20, 31, 2, 3. The shapes swap too: a convolution from 5 to
# 2 became an operation from 2 to 5.
#
# In two dimensions it is the same. The convolution's matrix has one row for each
# output and one column for each pixel: what the convolution makes of that single
# pixel. Its transpose has one column, a stamp, for each score.


# %%
def convolve(pixels, kernel, stride):  # as in lesson 1, for one channel
    views = np.lib.stride_tricks.sliding_window_view(pixels, kernel.shape)
    return np.einsum("ijab,ab->ij", views[::stride, ::stride], kernel)


def convolution_matrix(kernel, stride, size):
    single_pixels = np.eye(size * size).reshape(-1, size, size)
    outputs = [convolve(pixel, kernel, stride) for pixel in single_pixels]
    return np.transpose([output.ravel() for output in outputs])


full_matrix = convolution_matrix(kernel, 2, size=5)  # (4, 25)
by_matrix = (full_matrix.T @ small.ravel()).reshape(5, 5)
np.testing.assert_allclose(by_matrix, stamp(small, kernel, 2))

assert not np.array_equal(convolve(by_matrix, kernel, 2), small)
full_matrix.shape, full_matrix.T.shape

# %% [markdown]
# The second assertion shows that *deconvolution* is no good name: a convolution
# of the enlarged map does not give the scores back. Transposing is not undoing.
#
# The gradient, known from lesson 2, uses the same matrix. Weight each output of a
# convolution by a score, and add them. How much does a pixel count for this sum?
# It gets a weight of the kernel times the score, from each output that sees it:
# the stamps again. TensorFlow's tape records the convolution and returns the
# gradient.

# %%
import tensorflow as tf

pixels = tf.zeros((1, 5, 5, 1))
weight_tensor = tf.reshape(tf.cast(kernel, "float32"), (3, 3, 1, 1))
top_scores = tf.reshape(tf.cast(small, "float32"), (1, 2, 2, 1))
with tf.GradientTape() as tape:
    tape.watch(pixels)
    outputs = keras.ops.conv(pixels, weight_tensor, strides=2)  # (1, 2, 2, 1)
    total = tf.reduce_sum(top_scores * outputs)
by_gradient = tape.gradient(total, pixels)  # (1, 5, 5, 1)
by_transpose = keras.ops.conv_transpose(top_scores, weight_tensor, strides=2)

for same in (by_gradient, by_transpose):
    np.testing.assert_allclose(same[0, ..., 0], stamp(small, kernel, 2))
float(by_gradient[0, 2, 2, 0])

# %% [markdown]
# Stamps, transposed matrix, gradient and Keras give the same 25 numbers, with 36
# in the middle.

# %% [markdown]
# ## The bilinear stamp
#
# Which kernel makes the stamps add up to bilinear interpolation? A score's
# weight is 1 at its own center and falls to 0 at the next one: a tent. For even
# factors the tent is $2 s$ wide, since no pixel lies on a center; for odd factors
# $2 s - 1$.


# %%
def tent_kernel(factor):
    size = 2 * factor - factor % 2
    distances = np.abs(np.arange(size) - (size - 1) / 2)
    tent = 1 - distances / factor
    return np.outer(tent, tent)


16 * tent_kernel(2)

# %% [markdown]
# In sixteenths, the kernel for factor 2 is the row 1, 3, 3, 1 times itself. In
# the package it is `layers.bilinear_kernel`, and `layers.Bilinear` makes a whole
# kernel of it: one tent for each class, zeros between the classes. With 21 classes
# and factor 32, it has 1,806,336 weights, and all but 86,016 are zero.

# %%
from fcnlib import layers

for factor in (2, 3, 8, 16, 32):
    tent = tent_kernel(factor)
    np.testing.assert_allclose(layers.bilinear_kernel(factor), tent)

largest = layers.Bilinear()((64, 64, 21, 21)).numpy()
assert (largest.size, np.count_nonzero(largest)) == (1_806_336, 86_016)

tents = layers.Bilinear()((16, 16, 5, 5))  # height, width, out, in
cells = cell_shares(truth[None], 8)  # (1, 16, 16, 5)
by_layer = keras.ops.conv_transpose(cells, tents, 8, "same").numpy()
upsample = keras.layers.UpSampling2D(8, interpolation="bilinear")
by_resize = upsample(cells).numpy()  # (1, 128, 128, 5)

inside = np.s_[:, 4:-4, 4:-4]
np.testing.assert_allclose(by_layer[inside], by_resize[inside], atol=1e-5)
assert np.abs(by_layer - by_resize).max() > 0.1

# %% [markdown]
# Inside, the stamps equal resizing. In the outer 4 pixels, half the stride, they
# differ.
#
# ### Predict, then run
#
# A map of 3 × 3 ones is enlarged to 6 × 6 by the bilinear stamp with stride 2 and
# `padding="same"`. Inside, four stamps add up to 1. What number stands in the
# corner, where one stamp is all there is? What stands at the middle of an edge?
# Write down two fractions, then run the cell.

# %%
from fractions import Fraction


def enlarged_ones(factor):
    stamped = stamp(np.ones((3, 3)), tent_kernel(factor), factor)
    return stamped[factor // 2 : -(factor // 2), factor // 2 : -(factor // 2)]


for factor in (2, 8, 16, 32):
    corner, *_, edge = enlarged_ones(factor)[0, : factor + 1]
    print(f"factor {factor}: {Fraction(corner)} and {Fraction(edge)}")

# %% [markdown]
# The corner has 9/16 = 0.5625, the edge 3/4 = 0.75. Resizing keeps the outer
# score beyond the last center; a transposed convolution meets zeros there. With
# larger factors more is lost, down to about 1/4 and 1/2.

# %% [markdown]
# Does that change labels? At each pixel, all classes are multiplied by the same
# positive number, what ones become there, so the order of the classes stays. The
# next cell draws these numbers for stride 2. For stride 8 it asserts that the
# stamped scores are the resized scores times these numbers, and that no label
# differs.

# %%
assert enlarged_ones(2)[0, [0, 2]].tolist() == [9 / 16, 3 / 4]
assert np.allclose(enlarged_ones(32)[0, [0, 32]], [1 / 4, 1 / 2], atol=0.02)
border = stamp(np.ones((16, 16)), tent_kernel(8), 8)[4:-4, 4:-4]
np.testing.assert_allclose(
    by_layer[0], by_resize[0] * border[..., None], atol=1e-5
)
np.testing.assert_array_equal(by_layer.argmax(-1), by_resize.argmax(-1))

plotting.show_grids(
    [np.ones((3, 3)), 16 * enlarged_ones(2)],
    ["ones", "in sixteenths"],
    "A 3 by 3 grid of ones, and the enlarged 6 by 6 grid in sixteenths: 9 in"
    " the corners, 12 along the edges, 16 inside.",
)

# %% [markdown]
# The labels are equal, since nothing comes after this layer. In the next lesson
# other scores are added after the upsampling, and those do not shrink.

# %% [markdown]
# ## Checkerboards
#
# How many stamps reach a pixel? If the kernel size is no multiple of the stride,
# it depends on the pixel. The next function counts, away from the border, for two
# strides along each side. Along a row it adds ones; in two dimensions the counts
# multiply.


# %%
def overlap_counts(kernel_size, stride):
    row = np.zeros(stride * (kernel_size + 2) + kernel_size)
    for start in range(0, len(row) - kernel_size + 1, stride):
        row[start : start + kernel_size] += 1
    away = row[stride * kernel_size :][: 2 * stride]
    return np.outer(away, away)


uneven = {(3, 2): {1, 2, 4}, (5, 2): {4, 6, 9}, (63, 32): {1, 2, 4}}
for sizes, counts in uneven.items():
    assert set(overlap_counts(*sizes).flat) == counts
for sizes in ((4, 2), (16, 8), (64, 32)):
    assert set(overlap_counts(*sizes).flat) == {4}

plotting.show_grids(
    [overlap_counts(kernel_size, 2) for kernel_size in (2, 3, 4, 5)],
    ["kernel 2", "kernel 3", "kernel 4", "kernel 5"],
    "Counts of stamps with stride 2: 1 everywhere for kernel 2, 4 everywhere"
    " for kernel 4, checkered for kernel 3 (4, 2, 1) and 5 (9, 6, 4).",
)

# %% [markdown]
# With stride 2, kernels 2 and 4 cover all pixels evenly, kernels 3 and 5 do not. A
# **checkerboard** is the pattern in a map whose pixels get unequal amounts from the
# stamps. Kernel 63 with stride 32 is uneven too; 4 with 2, 16 with 8 and 64 with
# 32 are even.

# %% [markdown]
# Where widgets run, the next cell lets you choose the kernel's size, the stride
# and how many stamps are pressed. The figure above says the same for four sizes
# and stride 2, and the one with the outlined stamps shows the steps.

# %% tags=["explorer", "nbval-ignore-output"]
import ipywidgets


def explore(kernel_size, stride, stamps):
    pressed = (np.arange(9) < stamps).reshape(3, 3)
    counts = stamp(pressed, np.ones((kernel_size, kernel_size)), stride)
    row, column = divmod(stamps - 1, 3)
    window = (row * stride, column * stride, kernel_size, kernel_size)
    plotting.show_grids(
        [counts], [f"{stamps} stamps"], "Counts of stamps.", [window]
    )


sliders = {"kernel_size": (1, 6), "stride": (1, 4), "stamps": (1, 9)}
_ = ipywidgets.interact(explore, **sliders)

# %% [markdown]
# How to see a checkerboard in a network of your own: feed a constant map, cut
# the border off, and compare the pixels by their phase, their place within a
# square of `stride` × `stride` pixels.


# %%
def phase_means(enlarged, stride):
    height, width = (count // stride for count in enlarged.shape)
    phases = enlarged.reshape(height, stride, width, stride)
    return phases.mean(axis=(0, 2)).round(2)


constant = np.ones((8, 8))
three = np.ones((3, 3)) * 4 / 9  # flat kernels, whose pixels get 1 on average
four = np.ones((4, 4)) * 4 / 16
{
    "kernel 3": phase_means(stamp(constant, three, 2)[4:12, 4:12], 2),
    "kernel 4": phase_means(stamp(constant, four, 2)[4:12, 4:12], 2),
    "tent 5": phase_means(stamp(constant, tent_kernel(3), 3)[6:15, 6:15], 3),
}

# %% [markdown]
# With kernel 3, one phase gets four times as much as another. The four phases of
# kernel 4 are equal. The bilinear stamp of factor 3 is 5 wide, no multiple of
# 3, and yet smooth: its weights make up for uneven counts. So counts are a risk,
# and the phases decide.
#
# More layers in a row make it worse. After one, two and three of them, the largest
# pixel gets 4, 9 and 25 times as much as the smallest. The figure shows three
# layers on the horse's scores at stride 8.


# %%
def enlarge_often(scores, kernel, times):
    for _ in range(times):
        before = (len(kernel) - 2) // 2  # an odd one is cut at the end
        height, width = (2 * count for count in scores.shape)
        whole = stamp(scores, kernel, 2)
        scores = whole[before : before + height, before : before + width]
    return scores


for times, ratio in ((1, 4), (2, 9), (3, 25)):
    away = slice(2 * 2**times, 4 * 2**times)  # of 8 * 2**times pixels
    inner = enlarge_often(constant, three, times)[away, away]
    assert np.isclose(inner.max() / inner.min(), ratio)

horses = [enlarge_often(cells[0, ..., 4], flat, 3) for flat in (three, four)]
assert horses[0].max() > 2 * horses[1].max()
plotting.show_maps(
    horses,
    ["kernel 3", "kernel 4"],
    alt="The horse's scores enlarged 8 times. With kernel 3 a fine grid of"
    " bright dots covers the horse; with kernel 4 it is a smooth blot.",
)

# %% [markdown]
# Kernel 3 draws a pattern that is in no scene.

# %% [markdown]
# ### Exercise: find the mistake
#
# Someone enlarges scores by six layers with flat kernels, all weights equal, and
# sees checkerboards. The mistake is in some of the kernel sizes. Which of the
# layers cover their pixels *unevenly*?
#
# ```python
# x = Conv2DTranspose(5, 2, strides=2, name="up1")(x)
# x = Conv2DTranspose(5, 3, strides=2, name="up2")(x)
# x = Conv2DTranspose(5, 4, strides=2, name="up3")(x)
# x = Conv2DTranspose(5, 6, strides=4, name="up4")(x)
# x = Conv2DTranspose(5, 9, strides=3, name="up5")(x)
# x = Conv2DTranspose(5, 2, strides=3, name="up6")(x)
# ```
#
# Bind `uneven_layers` to a list of their names, such as `["up1", "up5"]`. Look
# away from the border, and count a gap, a pixel that no stamp reaches, as 0.
#
# <details><summary>Hint 1</summary>
#
# Take one layer at a time, and draw its stamps along a row as bars of the
# kernel's length, one `strides` after the other.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Kernel and stride alone decide. Odd or even does not.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `overlap_counts` does the drawing for you.
#
# </details>

# %% points=2
# solution
# 3 / 2, 6 / 4 and 2 / 3 are not whole; 2 / 2, 4 / 2 and 9 / 3 are.
uneven_layers = ["up2", "up4", "up6"]

# %%
checks.uneven_layers(uneven_layers)

# %% [markdown] tags=["instructor"]
# **For instructors.** "Odd kernels are bad" is the usual misconception: it
# accuses `up5` and acquits `up4`. Ask for the bars of kernel 9, stride 3. The
# real mistake, five layers with kernel 3 and stride 2, is common in public code.

# %% [markdown]
# ## Learned or fixed?
#
# The weights of a transposed convolution can be learned like all others. The paper
# of Long, Shelhamer and Darrell fixes the last, large stamp as bilinear, and learns
# the small ones from a bilinear start. The code that they published fixes all of
# them, and reports no significant difference in accuracy (see References). The
# coarsest of their networks enlarges 21 classes 32 times at once. Its last layer
# would learn the 1.8 million weights counted above.
#
# Does learning find another stamp? We start at random and let Keras change one
# kernel step by step (lesson 6 explains how), until the enlarged shares are close
# to the truth of some scenes. Void pixels do not count.


# %%
def class_maps(maps):
    maps_first = np.moveaxis(maps, -1, 1)  # (N, 5, H, W), then (5 N, H, W, 1)
    return maps_first.reshape(-1, *maps.shape[1:3], 1).astype("float32")


_, train_labels = pasture.draw_scenes(range(100, 100 + NUM_SCENES))
train_scores = class_maps(cell_shares(train_labels, 8))
train_truth = class_maps(train_labels[..., None] == np.arange(5))
counted = np.repeat((train_labels != 255).astype("float32"), 5, axis=0)

keras.utils.set_random_seed(0)
layer = keras.layers.Conv2DTranspose(1, 16, 8, padding="same", use_bias=False)
learner = keras.Sequential([keras.layers.Input((None, None, 1)), layer])
random_kernel = learner.get_weights()[0][..., 0, 0]  # (16, 16)
learner.compile(keras.optimizers.Adam(0.1), loss="mean_squared_error")

# %% tags=["nbval-ignore-output"]
options = {"batch_size": 20, "epochs": 20, "verbose": 0}
learner.fit(train_scores, train_truth, sample_weight=counted, **options)
learned_kernel = learner.get_weights()[0][..., 0, 0]
kernels = [learned_kernel, tent_kernel(8), np.pad(np.ones((8, 8)), 4)]
likeness = np.corrcoef([each.ravel() for each in kernels])

assert likeness[0, 1:].min() > likeness[1, 2] + 0.03
print(f"learned: {likeness[0, 1]:.2f} bilinear, {likeness[0, 2]:.2f} nearest")
print(f"bilinear and nearest: {likeness[1, 2]:.2f}")
plotting.show_maps(
    [random_kernel, *kernels],
    ["at the start", "learned", "bilinear", "nearest"],
    alt="Four kernels of 16 by 16 weights: noise around zero; the learned"
    " hill, high with steep sides; the lower bilinear tent; a flat square.",
)

# %% [markdown]
# A hill grew out of the noise. It is higher than the tent, falls steeply at the
# edge of its own cell of 8 × 8, and ends near zero: something between bilinear and
# nearest. The correlations say the same. The learned kernel is closer to each of
# the two than they are to each other.
#
# The next cell lets the fixed and the learned kernel segment the 20 scenes of the
# beginning.


# %% tags=["nbval-ignore-output"]
def enlarge_all(scores, kernel):
    maps = keras.ops.conv_transpose(
        class_maps(scores), kernel[..., None, None], strides=8, padding="same"
    )
    return np.moveaxis(np.reshape(maps, (-1, 5, 128, 128)), 1, -1)


def quality(kernel, labels):
    enlarged = enlarge_all(cell_shares(labels, 8), kernel)
    errors = enlarged - (labels[..., None] == np.arange(5))
    return accuracy(enlarged, labels), np.mean(errors[labels != 255] ** 2)


fixed, fixed_error = quality(layers.bilinear_kernel(8), scene_labels)
learned, learned_error = quality(learned_kernel, scene_labels)
print(f"accuracy: fixed {fixed:.3f}, learned {learned:.3f}")
print(f"squared error: fixed {fixed_error:.4f}, learned {learned_error:.4f}")

assert 0.9 < fixed - 0.03 < learned < fixed and learned_error < fixed_error
assert learned_kernel[7, 7] > 0.95 and abs(learned_kernel[0]).max() < 0.2
assert learned_kernel[7, 4] - learned_kernel[7, 3] > 0.25  # the cell's edge

# %% [markdown]
# By squared error, which it was trained on, the learned kernel is better. By
# accuracy the fixed one is, by about a point. This is one run with one seed, and
# learning gained nothing for the labels. The networks of this course fix all
# their stamps, as the published code does.

# %% [markdown]
# ### Exercise: a transposed convolution with channels
#
# `scores` is (H, W, C_in), `kernel` is (K, K, C_out, C_in), as Keras stores it.
# Return what Keras does with `padding="same"`: (H · stride, W · stride, C_out).
# At each place of a stamp, `kernel[a, b]` is a matrix that turns the C_in scores
# of a position into C_out numbers: add over C_in. `K` is at least `stride`, and
# `K - stride` is even: cut the same number of pixels off at all four sides. Do not
# change `scores`.
#
# A mini example: H = W = 1, one channel with score 2, K = 4, stride 2, and every
# weight is 1. The stamp is 4 × 4 numbers 2. One row and one column go at each
# side, and 2 × 2 numbers 2 remain.
#
# <details><summary>Hint 1</summary>
#
# Begin with zeros large enough for all stamps, as `stamp` did, with a third axis
# for the channels. Cut at the very end.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `kernel @ vector` multiplies every matrix `kernel[a, b]` by the vector at once.
# What is its shape?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# At each side (K - stride) // 2 pixels are cut. The result begins at that row and
# ends H · stride rows later.
#
# </details>


# %% points=3
def transposed_convolution(scores, kernel, stride):
    rows, columns, _ = scores.shape
    size, _, channels, _ = kernel.shape
    overhang = size - stride
    # solution
    shape = (rows * stride + overhang, columns * stride + overhang, channels)
    canvas = np.zeros(shape)
    for i, j in np.ndindex(rows, columns):
        above, beside = i * stride, j * stride
        place = np.s_[above : above + size, beside : beside + size]
        canvas[place] += kernel @ scores[i, j]
    cut = overhang // 2
    return canvas[cut : cut + rows * stride, cut : cut + columns * stride]


# %%
checks.transposed_convolution(transposed_convolution)

# %% [markdown] tags=["instructor"]
# **For instructors.** Some write `=` for `+=` and lose every overlap: ask what
# the second stamp does to the first. Others multiply channel by channel, which
# fails as soon as C_in differs from C_out: ask which scores may change class 3.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - enlarged scores by copying and by mixing, with half-pixel centers;
# - computed a transposed convolution by stamps, by a transposed matrix and as a
#   gradient, and predicted its size;
# - found the border loss of the bilinear stamp, the kernels that cause
#   checkerboards, and a learned kernel between bilinear and nearest.
#
# 4 × 4 scores now fill 128 × 128 pixels, but thin things stay lost. The next
# lesson asks: what do earlier layers give back?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 3.3 treats upsampling
#   as backward convolution.
# - The code of the paper:
#   [fcn.berkeleyvision.org](https://github.com/shelhamer/fcn.berkeleyvision.org).
#   Its README explains why all stamps are fixed.
# - A. Odena, V. Dumoulin, C. Olah (2016):
#   [Deconvolution and Checkerboard
#   Artifacts](https://doi.org/10.23915/distill.00003).
# - V. Dumoulin, F. Visin (2016):
#   [A guide to convolution arithmetic for deep
#   learning](https://arxiv.org/abs/1603.07285). Sizes of transposed
#   convolutions, drawn.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: there is no more information in
# the large map than in the small one. All of the lesson is about where each score
# goes. Stamps cut from paper, laid over each other, explain it best.
#
# Minutes to read: opening 2, copy or mix 4, where does a pixel look 2, stamps 5, read
# backward 3, bilinear 4, checkerboards 5, learned or fixed 5.
#
# Misconceptions, and the question that brings each to light:
#
# - A "deconvolution" undoes a convolution. Ask: what does convolving the enlarged
#   map give?
# - Pixel 0 of both maps lies at the same place. Ask: where is the middle of a large
#   cell, in small pixels?
# - Learned is always better than fixed. Ask: which of the two scores was it trained
#   on?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - one row: a pixel's middle lies a quarter or three quarters of the way, and the
#   outer pixels keep the outer score;
# - the ramp: means belong to the middles of their cells, which only half-pixel
#   centers respect;
# - the size: the last stamp begins at (n - 1) times the stride and is one kernel
#   long;
# - corner and edge: where stamps from outside are missing, their share is missing;
#   the corner is the square of the edge.
#
# For discussion: the learned kernel wins by squared error and loses by accuracy. A
# good answer asks which number was minimized, and that it is one seed.
