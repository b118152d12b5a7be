# %% [markdown]
# # How does a small window see?
#
# Lesson 0 used a trained network as a closed box. Now we open it, and begin
# with its smallest part.
#
# Nine numbers in a small window slide over a pasture and draw map A. The same
# nine numbers, laid on their side, draw map B. One map shows the posts of the
# fence, the other its rails. Which is which?

# %%
import cv2
import numpy as np

from fcnlib import pasture, plotting

snow, snow_labels = pasture.draw_scene(seed=4, height=128, width=192)
gray = snow.mean(axis=-1)  # (128, 192): one number per pixel
kernel_a = np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
edges = [cv2.filter2D(gray, -1, kernel) for kernel in (kernel_a, kernel_a.T)]
strengths = [np.clip(np.abs(edge), 0, 255).astype("uint8") for edge in edges]

plotting.show_images(
    [snow, *(cv2.cvtColor(s, cv2.COLOR_GRAY2RGB) for s in strengths)],
    ["picture", "map A", "map B"],
    alt="A snowy pasture with a horse and a fence, and two dark maps with"
    " bright lines. The text below says which shows the posts.",
)

# %% [markdown]
# Map A shows the posts and the horse's legs, map B the rails. Both maps show how
# large the sums are, without their sign. A post has a left and a right side, so
# it becomes a double line. This lesson builds the window that does it, and ends
# with a network of one layer.
#
# After this lesson you can:
#
# - compute a convolution by hand, and predict the size of its result;
# - count the parameters and the multiply-adds of a layer;
# - turn a dense layer into a convolution, and score a larger picture with it.
#
# 30 minutes to read, 20 seconds to run on a laptop without a GPU. The last
# section learns from a few scenes, or from more if `FCNLIB_PROFILE` says
# `full`.

# %%
import os

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 20 if QUICK else 60

# %% [markdown]
# ## One window, one number
#
# Start with a picture that fits in the head: a bright post on dark ground. A
# **kernel** is a small grid of numbers that a window lays over the picture. Each
# number is multiplied by the pixel under it.

# %%
post = np.array([[1, 1, 1, 1, 1, 1]] + 4 * [[1, 1, 1, 9, 1, 1]])  # (5, 6)
edge_kernel = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])
products = post[0:3, 1:4] * edge_kernel  # the window at row 0, column 1

plotting.show_grids(
    [post, edge_kernel, products],
    ["picture", "kernel", "products"],
    alt="A grid of ones with a post of nines, the kernel with columns of -1, 0"
    " and 1, and the nine products under the outlined window: -1, 0, and 1, 9,"
    " 9 from left to right.",
    windows=[(0, 1, 3, 3), None, None],
)
int(products.sum())

# %% [markdown]
# The nine products add up to 16: right of the window's middle, the picture is
# brighter than left of it. On flat ground the kernel gives 0.
#
# Now the window moves on, one pixel at a time. A **feature map** is the grid of
# these sums, one for each place of the window. The whole procedure is called
# **cross-correlation**: multiply and add at every place, with the kernel as it
# is. Two loops are enough.


# %%
def correlate(picture, kernel):
    """Return the sum of the products at every place of the window."""
    height, width = kernel.shape
    rows = picture.shape[0] - height + 1
    columns = picture.shape[1] - width + 1
    feature_map = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = picture[i : i + height, j : j + width]
            feature_map[i, j] = np.sum(window * kernel)
    return feature_map


# %% [markdown]
# ### Predict, then run
#
# The picture has 5 × 6 pixels, the window 3 × 3. Write down how many rows and
# columns the feature map has, and the sign of the numbers where the post lies
# left of the window's middle.

# %%
post_map = correlate(post, edge_kernel)
post_map

# %% [markdown]
# Three rows and four columns: a window of 3 fits into 5 pixels at 3 places,
# into 6 at 4. The last column is negative, because there the post is on the
# side of the −1. Here are four of the twelve steps.

# %%
assert post_map.shape == (3, 4) and (post_map[:, 3] < 0).all()

places = [(0, 0), (0, 1), (1, 1), (2, 3)]
order = np.arange(12).reshape(3, 4)
so_far = [np.where(order <= order[at], post_map, np.nan) for at in places]

plotting.show_grids(
    [post] * 4 + so_far,
    [f"window at {at}" for at in places] + ["map so far"] * 4,
    alt="Four pictures with the window at row and column (0, 0), (0, 1),"
    " (1, 1) and (2, 3). Under each, the feature map filled so far: 0, then"
    " 16, then 24, and at last -24.",
    windows=[(*at, 3, 3) for at in places] + [(*at, 1, 1) for at in places],
)

# %% [markdown]
# The place of the window's upper left pixel is the place of its sum in the map.
#
# The next cell makes an explorer: move the window, change the kernel. It needs
# a running notebook. The figure above says the same for four places.

# %% tags=["explorer", "nbval-ignore-output"]
import ipywidgets

KERNELS = {"edge": edge_kernel, "level": edge_kernel.T, "sum": np.ones((3, 3))}


def show_window(row, column, name, picture, kernels):
    """Draw one place of the window, and the feature map."""
    kernel = kernels[name]
    plotting.show_grids(
        [picture, kernel, correlate(picture, kernel)],
        ["picture", "kernel", "map"],
        alt=f"The window at row {row}, column {column}, and its sum.",
        windows=[(row, column, 3, 3), None, (row, column, 1, 1)],
    )


explorer = ipywidgets.interact(
    show_window,
    row=(0, 2),
    column=(0, 3),
    name=list(KERNELS),
    picture=ipywidgets.fixed(post),
    kernels=ipywidgets.fixed(KERNELS),
)

# %% [markdown]
# ## Correlation or convolution?
#
# ### Predict, then run
#
# A picture of 5 × 5 pixels is 0 but for one 1 in its middle. The kernel of 3 × 3
# holds the numbers from 1 to 9, in reading order. Write down the feature map of
# 3 × 3, then run the cell.

# %%
spot = np.zeros((5, 5))
spot[2, 2] = 1
digits = np.arange(1.0, 10).reshape(3, 3)
spot_map = correlate(spot, digits)

plotting.show_grids(
    [spot, digits, spot_map],
    ["picture", "kernel", "map"],
    alt="A single 1 among zeros, the kernel with 1 to 9 in reading order, and"
    f" the feature map, which reads {spot_map.astype(int).ravel().tolist()}.",
)

# %% [markdown]
# The kernel comes out turned by half a turn. The window that begins first, at
# row 0 and column 0, meets the bright pixel with its last number, 9.
#
# In mathematics, **convolution** is the same procedure with the kernel turned
# by half a turn first. Then a single 1 gives back the kernel unturned. NumPy's
# `convolve`, which works on one row, is of this kind.

# %%
turned = digits[::-1, ::-1]
assert np.array_equal(spot_map, turned)
assert np.array_equal(correlate(spot, turned), digits)

np.convolve([0, 0, 1, 0, 0], [1, 2, 3], mode="same")

# %% [markdown]
# What do Keras's `Conv2D` and OpenCV's `filter2D` do? Both get the spot and the
# digits. `filter2D` returns a map as large as the picture, so we compare its
# inner 3 × 3.

# %%
import keras

layer = keras.layers.Conv2D(1, 3, use_bias=False)
layer.build((1, 5, 5, 1))  # (N, height, width, channels)
layer.set_weights([digits.reshape(3, 3, 1, 1)])  # its kernel
by_keras = np.asarray(layer(spot.reshape(1, 5, 5, 1)))[0, :, :, 0]
by_opencv = cv2.filter2D(spot, -1, digits)[1:-1, 1:-1]

assert np.allclose(by_keras, spot_map)
assert np.allclose(by_opencv, spot_map)
by_opencv

# %% [markdown]
# Both correlate. A network learns its kernels, so it could learn them turned or
# unturned, and nobody turns them. By custom the layer is called a convolution
# all the same, and we follow the custom. It matters when you copy a kernel from
# a book: does it mean the turned one?

# %% [markdown]
# ## Padding and stride: how large is the map?
#
# The map is smaller than the picture, since the window has to fit. **Padding**
# is a rim of zeros that is added around the picture. The **stride** is how many
# pixels the window moves from one place to the next.
#
# ### Predict, then run
#
# A picture of 5 × 5 pixels and a kernel of 3 × 3 are all ones, so each sum counts
# the ones under the window. The padding is 1. Write down the sum in the corner
# and in the middle, and the size of the map with stride 2.

# %%
flat = np.ones((5, 5))
padded = np.pad(flat, 1)  # (7, 7)
sums = correlate(padded, np.ones((3, 3)))
strided = sums[::2, ::2]  # every second window of every second row

plotting.show_grids(
    [padded, sums, strided],
    ["padded", "stride 1", "stride 2"],
    alt="Ones with a rim of zeros, one window outlined; the map with stride 1,"
    f" {sums[0, 0]:.0f} in the corners, {sums[0, 2]:.0f} at the sides and"
    f" {sums[2, 2]:.0f} inside; and every second row and column of this map.",
    windows=[(0, 2, 3, 3), (0, 2, 1, 1), (0, 1, 1, 1)],
)

# %% [markdown]
# The corner has 4, the sides 6, the middle 9. The outlined window has its sum,
# 6, outlined in both maps. With padding, the window meets
# zeros that are not in the picture, and a network sees where the picture ends.
# With stride 2 the map keeps every second sum: 3 × 3.
#
# How many places are there? Count where the window can begin, along one side.
# With padding, the side is `size + 2 * padding` long. The last window begins
# `window` pixels before its end. From 0 up to there, we go in steps of the
# stride, and the place 0 counts too.


# %%
def places_along(size, window, padding, stride):
    """Return the number of places of a window along one side."""
    last = size + 2 * padding - window
    return last // stride + 1


places_along(5, 3, padding=1, stride=1), places_along(5, 3, 1, stride=2)

# %% [markdown]
# The division rounds down: a step that would push the window over the end is
# not made. Keras agrees in all the cases of the next cell.

# %%
import itertools

cases = list(itertools.product(range(5, 13), (1, 3, 5), (0, 1, 2), (1, 2, 3)))
for size, wide, rim, step in cases:
    slider = keras.layers.Conv2D(1, wide, strides=step)
    padded_shape = (1, size + 2 * rim, size + 2 * rim, 1)
    rows = slider.compute_output_shape(padded_shape)[1]
    assert rows == places_along(size, wide, rim, step)

len(cases)

# %% [markdown]
# Keras has the shorthand `padding="same"`. With stride 1 the map is as large as
# the picture. With stride $s$, its size is the picture's divided by $s$, rounded
# up: 5 pixels give 3 places with stride 2, and 2 with stride 4. How does it place
# the rim? A kernel that is 1 in its middle and 0 elsewhere tells which pixel each
# window has in the middle.
#
# ### Predict, then run
#
# The picture has 6 × 6 pixels and holds its own column numbers. The window is
# 3 × 3, the stride 2. Are the middles in columns 0, 2, 4?

# %%
column_numbers = np.tile(np.arange(6.0), (6, 1))
middle = np.zeros((3, 3))
middle[1, 1] = 1

same = keras.layers.Conv2D(1, 3, strides=2, padding="same", use_bias=False)
same.build((1, 6, 6, 1))
same.set_weights([middle.reshape(3, 3, 1, 1)])
middles = np.asarray(same(column_numbers.reshape(1, 6, 6, 1)))[0, 0, :, 0]

rim_after = np.pad(column_numbers, (0, 1))  # nothing on top and at the left
assert np.allclose(middles, correlate(rim_after, middle)[0, ::2])
middles.astype(int)

# %% [markdown]
# They are in columns 1, 3, 5. Six pixels and stride 2 need a rim of only one
# pixel, and Keras puts it at the right and at the bottom. Frameworks that pad
# both sides give 0, 2, 4. The size is the same and the map is shifted by a
# pixel: remember this when you copy weights between frameworks.

# %% [markdown]
# ### Exercise: predict the shape
#
# A color picture has 96 rows, 133 columns and 3 channels. It gets a padding of
# 3 on each side. A layer slides 8 kernels of 3 × 3 over it, with stride 2. Each
# kernel reads all three channels and makes one map.
#
# Set `output_shape` to the shape of the result: three numbers, (rows, columns,
# maps). An example: 5 × 6 pixels, no padding, one kernel of 3 × 3 and stride 1
# give `(3, 4, 1)`.
#
# <details><summary>Hint 1</summary>
#
# Take one side at a time. How long is it with its padding? The maps are another
# matter: how many do 8 kernels make?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Where does the last window begin that is still inside? Count the steps from 0
# up to there.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# From top to bottom, the padded picture has 102 pixels, so windows can begin from
# 0 to 99. How many of these are multiples of 2? And 0 is one of them.
#
# </details>

# %% points=1
# solution
output_shape = ((96 + 2 * 3 - 3) // 2 + 1, (133 + 2 * 3 - 3) // 2 + 1, 8)

# %%
from fcnlib import checks

checks.layer_output_shape(output_shape)

# %% [markdown] tags=["instructor"]
# **For instructors.** The usual slips are the forgotten `+ 1` and padding that
# is added once. Ask for the smallest case: how many places has a window of 3 on
# 3 pixels? Some give 3 maps: ask how many numbers one kernel makes at a place.

# %% [markdown]
# ## Colors: many maps in, many maps out
#
# A picture has three channels. So a kernel has three slices, one for each
# channel, and *all* products go into one sum. One kernel makes one map. A layer
# has many kernels, so its weights are (height, width, channels in, channels
# out). The **bias** is one more number for each kernel, added to every sum.
#
# Loops are slow in Python, so the next function has none. A view holds all
# windows without copying them, and `np.tensordot` multiplies and adds.


# %%
def all_windows(features, height, width):
    """Return the windows: (rows, columns, height, width, channels)."""
    views = np.lib.stride_tricks.sliding_window_view(
        features, (height, width), axis=(0, 1)
    )  # (rows, columns, channels, height, width)
    return np.moveaxis(views, 2, -1)


def convolve(features, kernels, bias, stride=1):
    """Slide kernels over a map (H, W, channels in), without padding."""
    windows = all_windows(features, *kernels.shape[:2])
    return np.tensordot(windows[::stride, ::stride], kernels, axes=3) + bias


# %% [markdown]
# It has to give what the loops give, and what Keras gives: here on a green
# pasture, with three channels in, four out, and stride 2.

# %%
image, labels = pasture.draw_scene(seed=3, height=128, width=192)
random = np.random.default_rng(seed=0)
kernels = random.integers(-3, 4, (3, 3, 3, 4)).astype("float32")
bias = random.integers(-9, 10, 4).astype("float32")

color_layer = keras.layers.Conv2D(4, 3, strides=2)
color_layer.build((None, None, None, 3))  # any number, height and width
color_layer.set_weights([kernels, bias])
color_maps = convolve(image, kernels, bias, stride=2)
by_color_layer = color_layer(image[None].astype("float32"))[0]

assert np.allclose(color_maps, by_color_layer, rtol=1e-3)
slices = sum(correlate(image[..., c], kernels[..., c, 0]) for c in range(3))
assert np.allclose(color_maps[..., 0], slices[::2, ::2] + bias[0])
color_maps.shape

# %% [markdown]
# Equal, and the first map is the sum of three correlations, one for each
# channel, plus the bias. How much faster is it without loops? The time depends
# on your machine.

# %% tags=["nbval-ignore-output"]
import time

start = time.perf_counter()
looped = correlate(gray, kernel_a)
middle_time = time.perf_counter()
vectorized = convolve(gray[..., None], kernel_a[..., None, None], bias=0)
end = time.perf_counter()

speed_up = (middle_time - start) / (end - middle_time)
assert np.allclose(looped, vectorized[..., 0]) and speed_up > 1
print(f"{speed_up:.0f} times as fast as the loops")

# %% [markdown]
# The smallest window is 1 × 1. It sees one pixel, and can still weigh its
# channels. The two kernels of the next cell ask: is it more green than blue? Is
# it more blue than red?

# %%
color_kernels = np.array([[0, 1, -1], [-1, 0, 1]]).T  # (3, 2): in, out
weighed = convolve(image, color_kernels.reshape(1, 1, 3, 2), bias=0)
grass, sky = (weighed[labels == number].mean(axis=0) for number in (1, 0))

assert grass[0] > 10 > -10 > grass[1] and sky[1] > 10 > -10 > sky[0]
plotting.show_maps(
    [weighed[..., 0], weighed[..., 1]],
    ["green − blue", "blue − red"],
    alt="Two maps. The first is positive on the grass and negative in the sky;"
    " the second is positive in the sky, and negative on grass and fence.",
    signed=True,
)

# %% [markdown]
# The cell also asserts what you see: on the average, grass is positive in the
# first map only, and sky in the second only. The kernels of a network are no
# such guesses: it learns them.
#
# What does a layer cost? The weights and biases of a layer, all that it stores,
# are its **parameters**. It works by the **multiply-add**, one multiplication and
# the addition of its product. Each weight is used once at every place.
#
# ### Predict, then run
#
# A layer makes 16 maps from a color picture of 128 × 128 pixels, by kernels of
# 3 × 3, padding "same" and stride 1. Write down its number of parameters and of
# multiply-adds. Then the multiply-adds of a layer that has a weight for each
# pair of a number in the picture and a number in the 16 maps.

# %%
num_weights = 3 * 3 * 3 * 16
num_products = num_weights * 128 * 128
num_pairs = (128 * 128 * 3) * (128 * 128 * 16)

first_layer = keras.layers.Conv2D(16, 3, padding="same")
first_layer.build((None, 128, 128, 3))
assert first_layer.count_params() == num_weights + 16  # and 16 biases
print(f"{num_weights + 16} parameters, {num_products:,} multiply-adds")
print(
    f"all pairs: {num_pairs:,}, {num_pairs / num_products:,.0f} times as many"
)

# %% [markdown]
# The picture's size matters to the work of the layer, not to its parameters. All
# pairs would be 1,820 times the work: each sum would read all 49,152 numbers of
# the picture, and not 27. The first assumption of a small window, that what
# matters is near, saves this work. The second, that what helps at one place helps
# at all, saves parameters: one kernel serves all places.

# %% [markdown]
# ### Exercise: find the mistake
#
# A layer reads a map of 64 × 64 places with 24 channels:
# `Conv2D(32, 5, strides=4, padding="same")`. A colleague counts its
# multiply-adds:
#
# ```python
# weights = 5 * 5 * 24 * 32
# places = 64 * 64
# multiply_adds = weights * places  # 78,643,200
# ```
#
# One of these lines is wrong. Set `layer_work` to the right number of
# multiply-adds. For comparison: with stride 1 on a map of 2 × 2 places, the
# layer would need 19,200 × 4 = 76,800. Python writes this number `76800`.
#
# <details><summary>Hint 1</summary>
#
# Start with the places. The window stops at each of them once. Does it stop at
# every place of the map that it reads?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Along a row of 8 places, stride 4 makes 2 stops. How many does it make along a
# row of 64?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The stops of one row are not yet all: the stride thins out the rows too. At each
# stop, all weights are used once, so their line can stay.
#
# </details>

# %% points=1
# solution
layer_work = (5 * 5 * 24 * 32) * (16 * 16)

# %%
checks.strided_multiply_adds(layer_work)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many divide by the stride once. Ask them to draw the
# stops of stride 2 on a map of 4 × 4. Others add the biases: ask how many
# multiplications a bias needs.

# %% [markdown]
# ## A dense layer is a convolution
#
# A **dense layer** gives each of its outputs one weight for every input number,
# and a bias. Many networks that name *one* class for a whole picture end with
# such a layer. The outputs of this last layer are **class scores**, one number
# per class, and the largest wins.
#
# We need a real one. It reads a window of 9 × 9 pixels, so 9 · 9 · 3 = 243
# numbers, and scores the class of the pixel in the middle. The next cell
# collects windows at random places of a few scenes.

# %%
scenes, truths = pasture.draw_scenes(range(100, 100 + NUM_SCENES))
centers = truths[:, 4:-4, 4:-4]  # (scenes, 120, 120): all middles
windows = np.stack([all_windows(scene, 9, 9) for scene in scenes])

chosen = np.random.default_rng(seed=1).integers(0, centers.size, 5000)
index = np.unravel_index(chosen[centers.flat[chosen] != 255], centers.shape)
examples = windows[index].reshape(-1, 243) / 255  # flattened, from 0 to 1
answers = np.eye(5)[centers[index]]  # 1 for the true class, 0 for the others

assert len(examples) == len(answers) > 4000
examples.shape[1], answers.shape[1]

# %% [markdown]
# Least squares finds the weights whose scores come nearest to these answers. How
# networks learn is the matter of lesson 6. The weights go into Keras's `Dense`.

# %%
inputs = np.hstack([examples, np.ones((len(examples), 1))])  # 1 for the bias
solved = np.linalg.lstsq(inputs, answers, rcond=None)[0]  # (244, 5)
dense_weights, dense_bias = solved[:-1], solved[-1]

dense = keras.layers.Dense(5)
dense.build((None, 243))
dense.set_weights([dense_weights, dense_bias])
dense.count_params()

# %% [markdown]
# For each class, a dense layer multiplies 243 numbers by 243 weights and adds
# them up. So does a kernel of 9 × 9 with 3 channels. To read the one as the
# other, give the weights the shape that the window had before it was flattened.

# %%
from fcnlib import models

kernel_form = dense_weights.reshape(9, 9, 3, 5)
assert np.array_equal(
    kernel_form, models.convolutionalize(dense_weights, height=9, width=9)
)

sliding = keras.layers.Conv2D(5, 9)
sliding.build((None, None, None, 3))
sliding.set_weights([kernel_form, dense_bias])
sliding.count_params()

# %% [markdown]
# The same 1,220 numbers, in another shape, and `fcnlib` does the same. Do the
# layers agree on a window of the size that the dense layer was made for?

# %%
scaled = (image / 255).astype("float32")  # (128, 192, 3)
patch = scaled[60:69, 40:49]  # (9, 9, 3)
by_dense = np.asarray(dense(patch.reshape(1, 243)))  # (1, 5)
by_sliding = np.asarray(sliding(patch[None]))  # (1, 1, 1, 5)

assert np.allclose(by_dense, by_sliding[0, 0], atol=1e-3)  # float32 rounds
by_dense.shape, by_sliding.shape

# %% [markdown]
# The same scores, up to the rounding of 32-bit numbers, which depends on the
# order of the sum. But the convolution does not care how large its input is.
#
# ### Predict, then run
#
# The picture has 128 × 192 pixels. The dense layer would refuse it. Write down
# the shape of what the convolution gives: (rows, columns, classes).

# %%
scores = np.asarray(sliding(scaled[None]))[0]

assert np.allclose(scores[60, 40], by_dense[0], atol=1e-3)
scores.shape

# %% [markdown]
# It gives a map of scores: at each of 120 × 184 places what the dense layer says
# of the window there. The one at row 60, column 40 is the window of before. And
# a map of scores makes a map of classes: `argmax`, as in lesson 0. The next cell
# does so for the green scene and for the first figure's. Pictures and truth are
# shown without their outer 4 pixels, where no window has its middle. Errors are
# black.


# %% tags=["nbval-ignore-output"]
def share_right(predictions, truths):
    """Return the share of the pixels, void left out, that are right."""
    return (predictions == truths)[truths != 255].mean()


pair = np.stack([image, snow])  # (2, 128, 192, 3)
maps = np.argmax(sliding(pair / np.float32(255)), axis=-1).astype("uint8")
pair_truth = np.stack([labels, snow_labels])[:, 4:-4, 4:-4]
fine = (maps == pair_truth) | (pair_truth == 255)
errors = np.stack([fine * np.uint8(255)] * 3, axis=-1)  # white where right
columns = pair[:, 4:-4, 4:-4], pair_truth, maps, errors

plotting.show_images(
    [column[i] for i in range(2) for column in columns],
    ["picture", "truth", "one layer", "errors"] * 2,
    alt="A green and a snowy pasture, each with its truth, the map of the one"
    " layer and its errors in black: few on the green, most of the snow.",
    class_names=pasture.CLASSES,
)
green_right, snow_right = map(share_right, maps, pair_truth)
assert green_right > 0.6 > snow_right
print(f"right: {green_right:.2f} on the green, {snow_right:.2f} in the snow")

# %% [markdown]
# This is a fully convolutional network of one layer. On the green scene most
# pixels are right, in the snowy one they are not. Two scenes are few, so we ask
# 20 that it did not learn from. And what does the window add to its middle pixel
# alone? Least squares finds weights for that pixel too, a kernel of 1 × 1.

# %% tags=["nbval-ignore-output"]
unseen, unseen_truths = pasture.draw_scenes(range(500, 520))
unseen_scaled = (unseen / 255).astype("float32")  # (20, 128, 128, 3)
middle_inputs = inputs[:, [120, 121, 122, 243]]  # 120 = (4 * 9 + 4) * 3
solved_middle = np.linalg.lstsq(middle_inputs, answers, rcond=None)[0]

by_window = np.argmax(sliding(unseen_scaled), axis=-1)  # (20, 120, 120)
middles = unseen_scaled[:, 4:-4, 4:-4]  # (20, 120, 120, 3)
by_middle = np.argmax(middles @ solved_middle[:3] + solved_middle[3], axis=-1)
inner_truths = unseen_truths[:, 4:-4, 4:-4]
window_right = share_right(by_window, inner_truths)
middle_right = share_right(by_middle, inner_truths)
assert 0.4 < window_right < 0.75 and abs(window_right - middle_right) < 0.1
print(f"right: {window_right:.2f} by windows, {middle_right:.2f} by middles")

# %% [markdown]
# A little more than half of the pixels are right: the green scene was an easy
# one. The middle pixel does nearly as well, so here the layer goes mostly by
# color. But it reads a picture of any size, at every place at once.
#
# The paper does this to VGG16. Its layer fc6 is dense: 4,096 outputs from a map
# of 7 × 7 places with 512 channels.
#
# ### Predict, then run
#
# Read fc6 as a convolution, without padding. Write down its number of
# parameters, and the shape of its output on a map of 16 × 16 places.

# %%
fc6 = keras.layers.Conv2D(4096, 7)  # its weights are not built here: 411 MB
fc6_parameters = 7 * 7 * 512 * 4096 + 4096

narrow = keras.layers.Conv2D(4096, 7, use_bias=False)
narrow.build((None, None, None, 1))  # fc6 reads 512 channels, and this one
assert fc6_parameters == narrow.count_params() * 512 + 4096
print(f"{fc6_parameters:,} parameters")
fc6.compute_output_shape((1, 16, 16, 512))

# %% [markdown]
# As many parameters as the dense layer, and 10 × 10 places in place of one, each
# with 4,096 outputs.

# %% [markdown]
# ### Exercise: slide a dense layer
#
# A dense layer was made for windows of `height` × `width` places. Return its
# scores at every place of a larger map, with stride 1 and without padding.
#
# - `features`: (H, W, C) floats;
# - `weights`: (height · width · C, classes), for a window flattened as
#   `ravel` does it;
# - `bias`: (classes,).
#
# Return an array (H − height + 1, W − width + 1, classes). Loops are welcome. An
# example: on `features` [[[1], [2], [4]]] of shape (1, 3, 1), with a window of
# 1 × 2, `weights` [[1], [10]] and `bias` [5], the scores are 1 + 20 + 5 = 26 and
# 2 + 40 + 5 = 47: the result is [[[26], [47]]].
#
# <details><summary>Hint 1</summary>
#
# Begin as `correlate` does: count the places, make an array of zeros, loop over
# rows and columns. The array has one axis more.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# At each place, cut out the window with all its channels. The dense layer wants
# it as one row of numbers.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# A row of n numbers times a matrix (n, classes) is written `@` and gives one
# number per class. What is still missing after that?
#
# </details>


# %% points=3
def score_map(features, weights, bias, height, width):
    # solution
    rows = features.shape[0] - height + 1
    columns = features.shape[1] - width + 1
    result = np.zeros((rows, columns, len(bias)))
    for i, j in np.ndindex(rows, columns):
        part = features[i : i + height, j : j + width]
        result[i, j] = part.ravel() @ weights + bias
    return result


# %%
checks.score_map(score_map)

# %% [markdown] tags=["instructor"]
# **For instructors.** The misconception is that a dense layer "has no place".
# Ask which pixel of the window the first row of `weights` belongs to, and which
# the second. Those who reshape the weights themselves may put the channels
# first: let them try a window of one pixel with two channels.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - computed convolutions by hand, with padding and stride, and predicted the
#   size of the map;
# - counted parameters, which do not depend on the picture's size, and
#   multiply-adds, which grow with the number of places;
# - read a dense layer as a convolution, and scored a whole picture with it.
#
# A window of 9 × 9 is too small to see a horse. The next question: what does
# pooling buy, and what does it forget?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 3.1 reads dense
#   layers as convolutions.
# - V. Dumoulin, F. Visin (2016):
#   [A guide to convolution arithmetic for deep
#   learning](https://arxiv.org/abs/1603.07285). Every case of padding and
#   stride, drawn.
# - I. Goodfellow, Y. Bengio, A. Courville (2016):
#   [Deep Learning](https://www.deeplearningbook.org/), Chapter 9. Convolution,
#   cross-correlation, and why they suit pictures.
# - K. Simonyan, A. Zisserman (2015):
#   [Very Deep Convolutional Networks for Large-Scale Image
#   Recognition](https://arxiv.org/abs/1409.1556). VGG16, with its dense layers.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: a network asks one question, with
# the same few numbers, at every place. Let the class hold a paper frame over a
# printed picture and slide it, before any formula.
#
# Minutes to read: opening 2, one window 5, correlation 2, padding and stride 6,
# colors 6, dense layer 9.
#
# Misconceptions, and the question that brings each to light:
#
# - A layer has a kernel for each place. Ask: which number of parameters changes if
#   the picture grows?
# - A kernel of 3 × 3 has nine weights, whatever it reads. Ask: how many products
#   are in one sum over a color picture?
# - Padding is harmless. Ask: what does a flat picture look like at its border
#   afterwards?
# - A convolution in a network turns its kernel. Ask: what would learning change?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - feature map: a window fits at size - window + 1 places; the sign follows from
#   the side of the -1;
# - spot and digits: the window that begins first meets the spot with its last
#   number;
# - padding: a corner sees four ones, the middle nine; stride 2 keeps every second
#   sum;
# - middles: a rim of one pixel is enough, and it goes to the right and the bottom;
# - parameters and work: weights times places for the work, biases for the
#   parameters only;
# - the shape of the scores: places, not pixels, and one number per class;
# - fc6: the dense layer's parameters, at every place of its window.
