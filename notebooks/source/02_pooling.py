# %% [markdown]
# # What does pooling buy, and what does it forget?
#
# You can slide a window over a picture and count its multiply-adds (lesson 1).
# Now the network throws most of its numbers away, on purpose.
#
# The first figure shows what that costs: a label map, and the same map with one
# label per square of 8 × 8 pixels ("one per 8"), 16 × 16 and 32 × 32.

# %%
from fcnlib import pasture, plotting

image, truth = pasture.draw_scene(seed=21)  # 128 x 128 pixels

plotting.show_images(
    [truth, truth[4::8, 4::8], truth[8::16, 8::16], truth[16::32, 16::32]],
    ["truth", "one per 8", "one per 16", "one per 32"],
    alt="A label map with a horse behind a fence, and three coarser copies."
    " With one label per 8 pixels the fence is broken; with one per 32"
    " only 16 squares are left, and no horse can be recognized.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# With one label per 32 pixels, 16 squares are left. VGG16, the network from
# which the FCN of the paper is made, ends with one position per 32 pixels. Why
# would anyone build it so, and how can it still draw a fence?
#
# After this lesson you can:
#
# - pool a map by hand, and name what the result no longer knows;
# - compute the receptive field and the output stride of any layer;
# - measure what a coarse grid of labels loses, and what scores on the same grid
#   keep.
#
# 30 minutes to read, 20 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## Pooling by hand
#
# **Pooling** replaces each window of a feature map by one number. **Max
# pooling** keeps the window's largest number, and **average pooling** its mean.
# The windows lie side by side, each channel is pooled by itself, and there is
# nothing to learn. We call one position of a feature map a cell.

# %%
import os

import numpy as np

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 500 if QUICK else 1000  # used in the last section


def pool(values, size, combine):
    rows, columns = values.shape[0] // size, values.shape[1] // size
    pooled = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * size, j * size
            window = values[top : top + size, left : left + size]
            pooled[i, j] = combine(window)
    return pooled


# %%
tiny = np.array([[1, 5, 0, 2], [3, 1, 2, 4], [8, 0, 1, 1], [0, 0, 1, 1]])
tiny_max = pool(tiny, 2, np.max)  # (2, 2)
tiny_mean = pool(tiny, 2, np.mean)

plotting.show_grids(
    [tiny, tiny_max, tiny_mean],
    ["4 × 4 map", "max pooling", "average pooling"],
    alt="A grid of 4 by 4 numbers with the window at its bottom left"
    " outlined, which holds 8, 0, 0, 0. Beside it the pooled grids of 2"
    " by 2: the window gives 8 by max pooling and 2 by average pooling.",
    windows=[(2, 0, 2, 2), (1, 0, 1, 1), (1, 0, 1, 1)],
)

# %% [markdown]
# The outlined window holds one 8 and three zeros. Its maximum is 8, its mean 2.
# Sixteen numbers went in and four came out.
#
# The loops are slow. A reshape cuts a map into all its windows at once: the axes
# become row of the window, row inside it, column of the window, column inside
# it. Then one call combines the two inner axes.


# %%
def cut(values, size):
    height, width = values.shape[-2:]
    windows = height // size, size, width // size, size
    return values.reshape(*values.shape[:-2], *windows)


wide = np.random.default_rng(0).normal(size=(256, 256))
INSIDE = (-3, -1)  # the two axes inside the windows

assert np.array_equal(cut(tiny, 2).max(INSIDE), tiny_max)
assert np.array_equal(cut(wide, 2).max(INSIDE), pool(wide, 2, np.max))
cut(wide, 2).shape

# %% [markdown]
# Both ways agree. The code below asks Keras too, and times both ways.

# %% tags=["nbval-ignore-output"]
import timeit

import keras

batch = wide[None, :, :, None].astype("float32")  # (N, H, W, channels)
by_keras = [
    keras.layers.MaxPooling2D(2)(batch)[0, :, :, 0],
    keras.layers.AveragePooling2D(2)(batch)[0, :, :, 0],
]
by_hand = [cut(wide, 2).max(INSIDE), cut(wide, 2).mean(INSIDE)]
np.testing.assert_allclose(by_keras, by_hand, rtol=1e-6, atol=1e-6)

ways = "pool(wide, 2, np.max)", "cut(wide, 2).max(INSIDE)"
times = [min(timeit.repeat(w, globals=globals(), number=1)) for w in ways]
assert times[0] > 3 * times[1]
print(f"as Keras; {times[0] / times[1]:.0f} times as fast by reshape")

# %% [markdown]
# ### Exercise: find the mistake
#
# A map of 3 × 3 cells does not divide into windows of 2 × 2. This function adds
# a row and a column, so that the windows fit:
#
# ```python
# def pool_all(values):
#     padded = np.pad(values, ((0, 1), (0, 1)))
#     return pool(padded, 2, np.max)
# ```
#
# For `[[1, 2, 3], [4, 5, 6], [7, 8, 9]]` it returns `[[5, 6], [8, 9]]`, and that
# is right: each result is the largest number *of the map* in its window. Bind a
# 3 × 3 map, a list of lists, for which a result is wrong.
#
# <details><summary>Hint 1</summary>
#
# Write down the 4 × 4 map `padded` for the example. Which numbers are new?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# When would one of the new numbers be the largest of its window?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The window at the bottom right holds one number of the map and three new ones.
# Scores can have any sign.
#
# </details>

# %% points=1
# solution
counterexample = [[1, 2, 3], [4, 5, 6], [7, 8, -9]]

# %%
from fcnlib import checks

checks.pooling_counterexample(counterexample)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many believe that zeros are neutral, because they are in a
# sum. Ask which number would be neutral for a maximum, and whether the mistake
# would ever show after a ReLU, where no number is negative.

# %% [markdown]
# How does Keras treat such windows? With `padding="same"`, as in our package, a
# map of 5 × 5 becomes one of 3 × 3. The map below holds −1 everywhere.

# %%
below_zero = -np.ones((1, 5, 5, 1), dtype="float32")
at_the_edge = [
    keras.layers.MaxPooling2D(2, padding="same")(below_zero),
    keras.layers.AveragePooling2D(2, padding="same")(below_zero),
]  # two maps of (1, 3, 3, 1)

assert all(np.all(pooled == -1) for pooled in at_the_edge)
[tuple(pooled.shape) for pooled in at_the_edge]

# %% [markdown]
# Every result is −1: Keras combines only the numbers that exist. What, then, does
# pooling buy?

# %% [markdown]
# ## It buys work
#
# VGG16 has 13 convolutions of 3 × 3 in five blocks, and each block ends with max
# pooling by 2. Its first dense layer, fc6, is a 7 × 7 convolution when it is read
# as in lesson 1. In all, five pools.

# %%
blocks = {1: (2, 64), 2: (2, 128), 3: (3, 256), 4: (3, 512), 5: (3, 512)}
body = [
    (name, kernel, stride, channels)
    for block, (count, channels) in blocks.items()
    for name, kernel, stride in [
        *((f"conv{block}_{number}", 3, 1) for number in range(1, count + 1)),
        (f"pool{block}", 2, 2),
    ]
]
unpooled = [layer for layer in body if layer[0].startswith("conv")]

body[:4]  # name, kernel, stride, channels

# %% [markdown]
# ### Predict, then run
#
# A pool halves the height and the width, and the next block has twice the
# channels. Does conv2_2 (128 channels in and out) need more multiply-adds than
# conv1_2 (64 in and out), fewer, or as many? And without pools, would all 13
# convolutions need about 5, 50 or 500 times the work?


# %%
def multiply_adds(layers, side, channels_in=3):
    table = {}
    for name, kernel, stride, channels in layers:
        side = side // stride
        if name.startswith("conv"):
            table[name] = side**2 * kernel**2 * channels_in * channels
        channels_in = channels
    return table


loads = multiply_adds(body, side=224)  # for a picture of 224 x 224 pixels
with_pools = sum(loads.values())
without_pools = sum(multiply_adds(unpooled, side=224).values())

print(f"conv1_2 {loads['conv1_2']:,}, conv2_2 {loads['conv2_2']:,}")
f"{with_pools:,} with pools, {without_pools:,} without"

# %% [markdown]
# conv2_2 needs as many as conv1_2: a quarter of the cells, twice the channels in,
# twice the channels out. Pooling is what lets a network afford more channels.
#
# Without its pools, VGG16 would need 48 times the work. Multiply-adds are a
# count, not a time, so we measure too: the same convolution on a map and on the
# pooled map, which has a quarter of the cells. The factor varies; memory plays a
# part.

# %% tags=["nbval-ignore-output"]
convolution = keras.layers.Conv2D(64, 3, padding="same")
full_map = np.zeros((1, 224, 224, 64), dtype="float32")
pooled_map = np.zeros((1, 112, 112, 64), dtype="float32")

convolution(full_map)  # the first call also builds the layer
seconds, seconds_pooled = (
    min(timeit.repeat(lambda each=each: convolution(each), number=1, repeat=5))
    for each in (full_map, pooled_map)
)

assert loads["conv2_2"] == loads["conv1_2"] == 1_849_688_064
assert (with_pools, without_pools) == (15_346_630_656, 738_112_241_664)
assert seconds > 1.5 * seconds_pooled
print(f"{seconds / seconds_pooled:.1f} times the time for 4 times the work")

# %% [markdown]
# ## It buys sight
#
# The **receptive field** of a cell is the square of picture pixels that can
# change its value. The **output stride** of a layer is the distance, in picture
# pixels, between two neighboring cells of its map.
#
# Both follow layer by layer. Before any layer, a cell sees 1 pixel and the
# stride is 1. A window of `kernel` cells adds `kernel - 1` cells, each `stride`
# pixels further on: the field grows by `(kernel - 1) * stride`. Then the stride
# is multiplied by the layer's own.

# %% [markdown]
# For a 3 × 3 convolution, pooling by 2 and another 3 × 3 convolution, the field
# is 3, then 4, then 8. Without the pool it would end at 5. The last window has 3
# cells in both cases, but after the pool its cells lie 2 pixels apart.
#
# ### Predict, then run
#
# How wide would the receptive field of VGG16's 13 convolutions be without any
# pool? Write it down, then run the code, which prints all layers with the pools.


# %%
def receptive_fields(layers):
    field, stride, table = 1, 1, {}
    for name, kernel, step, _ in layers:
        field = field + (kernel - 1) * stride
        stride = stride * step
        table[name] = field, stride
    return table


vgg16 = [*body, ("fc6", 7, 1, 4096)]
fields = receptive_fields(vgg16)
toy = [("conv_a", 3, 1, 1), ("pool", 2, 2, 1), ("conv_b", 3, 1, 1)]

assert [*receptive_fields(toy).values()] == [(3, 1), (4, 2), (8, 2)]
for name, (field, stride) in fields.items():
    print(f"{name:8} receptive field {field:3}, output stride {stride:2}")
print("without pools, conv5_3:", *receptive_fields(unpooled)["conv5_3"])

# %% [markdown]
# Without pools: 1 + 13 × 2 = 27 pixels. With them, conv5_3 sees 196 and fc6 404.
# The paper's Table 1 has the same for VGG16: receptive field 404, stride 32.
#
# ### Exercise: how far does it see?
#
# A network has five layers: a 3 × 3 convolution, pooling by 2, a 5 × 5
# convolution, pooling by 3, and a 5 × 5 convolution. Convolutions have stride 1.
# Predict the receptive field and the output stride of its last layer, as a tuple
# of two numbers. For the first two layers alone the answer is `(4, 2)`.
#
# <details><summary>Hint 1</summary>
#
# Write a table with one row per layer: window, stride before the layer, receptive
# field, stride after the layer.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The third layer starts from `(4, 2)`. Its window adds 4 cells, and two
# neighboring cells are 2 pixels apart.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Pooling by 3 is a window of 3 as well: it widens the field, with the stride
# from before it. Only then does the stride become three times as long.
#
# </details>

# %% points=1
# solution
field_then_stride = (1 + 2 + 1 + 4 * 2 + 2 * 2 + 4 * 6, 2 * 3)

# %%
checks.field_and_stride(field_then_stride)

# %% [markdown] tags=["instructor"]
# **For instructors.** Two mistakes are frequent: a layer's own stride is applied
# to its own window, and the window of a pool is forgotten. For both, ask what a
# single pool by 2 sees: 2 pixels.

# %% [markdown]
# Is the table true? A network can be asked. The gradient of one output cell says,
# for each pixel, how much the cell changes when the pixel does. Where it is 0,
# the cell does not look.
#
# We build a chain with the windows of VGG16, but with one channel, weights of 1
# and average pooling. Every path from a pixel to the cell then counts, and none
# cancels another. Real weights, ReLU and max pooling can only switch paths off or
# cancel them.


# %%
def make_chain(layers, height, width):
    pixels = keras.Input((height, width, 1), dtype="float64")
    maps = [pixels]
    for name, kernel, stride, _ in layers:
        options = {"padding": "same", "dtype": "float64", "name": name}
        if name.startswith("pool"):
            layer = keras.layers.AveragePooling2D(stride, **options)
        else:
            options["kernel_initializer"] = "ones"
            layer = keras.layers.Conv2D(1, kernel, **options)
        maps.append(layer(maps[-1]))
    return keras.Model(pixels, maps[1:])


# %% [markdown]
# The windows are square, so it is enough to count rows, and a strip of 512 × 32
# pixels will do. For each layer we take two neighboring cells in the middle, far
# from the border, and find the rows that each of them sees.

# %%
import tensorflow as tf


def gradient(chain, layer, row, column):
    pixels = tf.zeros((1, *chain.input_shape[1:]), "float64")
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        cell = chain(pixels)[layer][0, row, column, 0]
    return tape.gradient(cell, pixels).numpy()[0, :, :, 0]  # (height, width)


def measure(chain, layer):
    middle = chain.outputs[layer].shape[1] // 2
    here = np.flatnonzero(gradient(chain, layer, middle, 0).any(axis=1))
    below = np.flatnonzero(gradient(chain, layer, middle + 1, 0).any(axis=1))
    return here[-1] - here[0] + 1, below[0] - here[0]


strip = make_chain(vgg16, 512, 32)
measured = {name: measure(strip, i) for i, name in enumerate(fields)}

assert measured == fields
assert fields["conv5_3"] == (196, 16) and fields["fc6"] == (404, 32)
assert receptive_fields(unpooled)["conv5_3"] == (27, 1)
len(measured)

# %% [markdown]
# All 19 rows of the table are confirmed, receptive field and stride. On a square
# picture the gradient also shows *how much* each pixel counts.

# %%
square = make_chain(vgg16, 512, 512)
middles = {"pool3": 32, "pool4": 16, "pool5": 8, "fc6": 8}  # a cell's row
weights = [
    gradient(square, list(fields).index(name), row, row)
    for name, row in middles.items()
]


def middle_half(weight):  # the share that the field's middle half holds
    seen = np.flatnonzero(weight.any(axis=1))
    inside = seen[len(seen) // 4 : -(len(seen) // 4)]
    return weight[np.ix_(inside, inside)].sum() / weight.sum()


assert 0.89 < middle_half(weights[2]) < 0.91
assert 0.71 < middle_half(weights[3]) < 0.73
plotting.show_maps(
    [each / each.max() for each in weights],
    list(middles),
    alt="Four maps of 512 by 512 pixels. The spot of pixels that count for"
    " one cell grows from pool3 to fc6. It is bright in the middle and"
    " fades toward its edge; at fc6 it is a flat square with soft edges.",
)

# %% [markdown]
# The receptive field is a limit, not a habit. The middle half of pool5's field,
# in height and width, is a quarter of its area and holds nine tenths of the
# weight: more paths lead there. A cell of fc6 adds 7 × 7 such spots with equal
# weights, hence its flat top, and its middle half holds 72 %. Luo and others found
# that trained networks, too, look mostly at the middle.
#
# On a scene the fields look like this, drawn around one point. The scene is
# averaged by 2, to keep the figure light.

# %%
grainy, _ = pasture.draw_scene(seed=21, height=448, width=448)
smooth = np.moveaxis(cut(grainy.transpose(2, 0, 1), 2).mean(INSIDE), 0, -1)
scene = smooth.astype("uint8").repeat(2, axis=0).repeat(2, axis=1)
boxes = {
    f"{name}: {size}": (240 - size // 2, 240 - size // 2, size, size)
    for name in ("conv3_3", "pool4", "pool5", "fc6")
    for size in [fields[name][0]]
}

plotting.show_boxes(
    scene,
    boxes,
    alt="A pasture of 448 by 448 pixels with four nested squares around one"
    " point: 40 pixels hold a patch of the horse, 100 a part of its"
    " body, 212 most of the horse, 404 almost the whole scene.",
)

# %% [markdown]
# With 40 pixels you see a patch of coat, and coats share their colors with trunks,
# fences and dry grass. With 404 you see a horse in a pasture. A class needs
# context, and pooling buys it.
#
# The price is the other number in the table of receptive fields, the stride. The
# next figure averages the colors over squares as wide as the output strides of
# pool3, pool4 and pool5.

# %%
averages = [
    cut(image.transpose(2, 0, 1), size).mean(INSIDE)  # (3, rows, columns)
    for size in (8, 16, 32)
]
blurred = [each.transpose(1, 2, 0).astype("uint8") for each in averages]

plotting.show_images(
    [image, *blurred],
    ["picture", "pool3: stride 8", "pool4: stride 16", "pool5: stride 32"],
    alt="The scene, and its colors averaged over squares of 8, 16 and 32"
    " pixels: a picture of 16 by 16 squares with a blurred horse, one of"
    " 8 by 8 squares, and one of 4 by 4 squares of plain color.",
)

# %% [markdown]
# Each cell knows a lot about a large place, but the grid has only 4 × 4 places.

# %% [markdown]
# ### Exercise: which rows does a cell see?
#
# Walk back from one cell to the picture. `layers` is a list of
# `(kernel, stride, padding)` from the first layer to the last; `padding` rows are
# added above a map, and as many below. `cell` is a row of the
# last map. In the map before a layer, that cell's window begins in row
# `cell * stride - padding` and has `kernel` rows.
#
# Return `(first, last)`: the first and the last row of the picture that the cell
# sees, both included. The picture has rows 0 to `height - 1`, and padding is no
# part of it. All heights here divide by the strides, so one cut at the end is
# enough. An example: a convolution `(3, 1, 1)`, then a pool `(2, 2, 0)`, and
# `height` 16. There, cell 3 sees rows `(5, 8)`, and cell 0 sees `(0, 2)`.
#
# <details><summary>Hint 1</summary>
#
# The cell of the example sees rows 6 and 7 of the convolution's map. Which rows
# of the picture does row 6 see, and which does row 7?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Keep two numbers, the first and the last row. Both start as `cell`, and each
# layer, from the last to the first, changes both.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The window of the first row gives the new first row, where it begins. The window
# of the last row gives the new last row, where it ends. For the heights of this
# exercise it is enough to cut at the picture's edge at the very end.
#
# </details>


# %% points=2
def seen_rows(cell, layers, height):
    # solution
    first = last = cell
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + kernel - 1
    return max(first, 0), min(last, height - 1)


# %%
checks.seen_rows(seen_rows)

# %% [markdown] tags=["instructor"]
# **For instructors.** Learners count forward, as for the receptive field, and
# then do not know where the field lies. Ask which map the number `cell` belongs
# to. At the border, ask whether a row of padding was ever in the photograph.

# %% [markdown]
# ## It buys calm
#
# Does pooling lower noise, and does it keep what dominates? Both are often said.
# We measure.
#
# ### Predict, then run
#
# A gray wall has brightness 0, and a camera adds noise with mean 0 and a standard
# deviation of 1. The mean of n independent numbers has 1/√n of their deviation.
# What are mean and deviation after average pooling by 8? Is the mean still 0 after
# max pooling?
#
# We also hide two things in the noise: a spot, one pixel brighter by 4, and a
# patch, all 64 pixels of a window brighter by 1. A thing is found if it stands out
# by 3 deviations of the pooled noise. Which pooling finds which?

# %%
noise = np.random.default_rng(0).standard_normal((10_000, 64))  # 64: a window
spot = 4.0 * (np.arange(64) == 0)
patch = np.ones(64)


def stand_out(thing, noise, combine):
    empty, full = combine(noise, axis=1), combine(noise + thing, axis=1)
    return (full.mean() - empty.mean()) / empty.std()


found = {}
for name, combine in {"average": np.mean, "max": np.max}.items():
    mean, deviation = combine(noise, 1).mean(), combine(noise, 1).std()
    found[name] = [stand_out(t, noise, combine) for t in (spot, patch)]
    print(f"{name:7} mean {mean:.1f}, deviation {deviation:.2f}", end="; ")
    print("spot {:.1f}, patch {:.1f} deviations above it".format(*found[name]))

# %% [markdown]
# Averaging 64 numbers divides the deviation by 8 and leaves the mean. Max
# pooling lowers the noise less, and makes the wall brighter: of 64 pixels it
# always takes the luckiest.
#
# Average pooling finds the patch and drowns the spot, which stands out by half a
# deviation. Max pooling keeps the spot and sees less of the patch. "Pooling keeps
# what dominates" is half true: the mean keeps what is frequent, the maximum what
# is strong.
#
# Now let the camera move. How much does a map change when the picture is shifted
# by a few pixels, as a share of its own spread?

# %% tags=["nbval-ignore-output"]
wide_images, _ = pasture.draw_scenes(range(20), height=128, width=160)
gray = wide_images.sum(axis=-1, dtype="int64")  # (20, 128, 160)


def change(combine, pictures, shift):
    still, moved = (combine(pictures[..., s : s + 128]) for s in (0, shift))
    return np.abs(moved - still).mean() / still.std()


kinds = {
    "no pooling": lambda values: values,
    "average by 8": lambda values: cut(values, 8).mean(INSIDE),
    "max by 8": lambda values: cut(values, 8).max(INSIDE),
}
for name, combine in kinds.items():
    by_1, by_4 = change(combine, gray, 1), change(combine, gray, 4)
    assert (by_1 > 0.06) == (by_4 > 0.18) == (name == "no pooling")
    print(f"{name:12} shift by 1: {by_1:.2f}, by 4: {by_4:.2f}")

pooled = cut(gray, 8).max(INSIDE)  # (20, 16, 20)
for cells in (1, 2):
    moved = cut(gray[..., 8 * cells :], 8).max(INSIDE)
    assert np.array_equal(moved, pooled[..., cells:])
assert found["max"][0] > 3 > found["average"][0]  # the spot
assert found["average"][1] > 3 > found["max"][1]  # the patch

# %% [markdown]
# Shifted by one pixel, a pooled map changes about a third as much as the picture;
# by four, about half. Pooling makes small shifts matter less, and makes nothing
# invariant. A shift by the stride, or a multiple, leaves the numbers as they are,
# whole cells further on.
#
# Calm has a reason, and it is the next section's trouble: a cell does not know
# *where* in its window something is.

# %%
order = np.random.default_rng(0).permutation(64)
windows = np.moveaxis(image.reshape(16, 8, 16, 8, 3), 1, 2).reshape(256, 64, 3)
shuffled = windows[:, order].reshape(16, 16, 8, 8, 3)
scrambled = np.moveaxis(shuffled, 2, 1).reshape(image.shape)  # (128, 128, 3)

for combine in (np.max, np.sum):
    sides = [combine(cut(each.T, 8), INSIDE) for each in (image, scrambled)]
    assert np.array_equal(*sides)
plotting.show_images(
    [image, scrambled, blurred[0]],
    ["picture", "scrambled", "average of both"],
    alt="The scene; the same scene with the pixels of every window of 8 by"
    " 8 in another order, where outlines, legs and fence are gone; and"
    " the averages of the windows, which are the same for both.",
)

# %% [markdown]
# Both pictures have the same pooled map, by maximum and by mean. After one pool
# by 8, no layer could tell them apart. In a real network the convolutions before
# the pool can write down in their channels what the pool forgets.
#
# ## What is left of the truth?
#
# How much is lost if a label map has one label per cell? The first figure took a
# pixel in the middle of each cell. The class with the most pixels is a better
# choice. Void has no class and does not count.


# %%
def store_labels(labels, size):
    counts = [cut(labels == number, size).sum(INSIDE) for number in range(5)]
    return np.argmax(counts, axis=0).astype("uint8")  # (N, 128/size, 128/size)


def enlarge(stored, size):
    return stored.repeat(size, axis=-2).repeat(size, axis=-1)


def shared(labels, guess, number):
    valid = labels != 255
    both = valid & (labels == number) & (guess == number)
    either = valid & ((labels == number) | (guess == number))
    return both.sum() / either.sum()


# %% [markdown]
# `shared` scores one class fairly: the pixels that both maps give the class,
# divided by the pixels that at least one of them does. The paper averages this
# over the classes and calls it mean IU. Lesson 5 is about this score;
# `metrics.iou` computes it for all classes at once.
#
# ### Predict, then run
#
# With one label per 32 pixels, which class has the lowest score, and which two the
# highest? Decide, then run the code.

# %%
from fcnlib import metrics


def score_classes(labels, guess):
    return metrics.iou(metrics.confusion_matrix(labels, guess, num_classes=5))


_, labels = pasture.draw_scenes(range(NUM_SCENES))  # (500, 128, 128)
kept = {
    size: score_classes(labels, enlarge(store_labels(labels, size), size))
    for size in (4, 8, 16, 32)
}

coarse = enlarge(store_labels(labels, 32), 32)
counted = [shared(labels, coarse, number) for number in range(5)]
np.testing.assert_allclose(kept[32], counted)

# %% tags=["nbval-ignore-output"]
_, large = pasture.draw_scenes(range(20), height=512, width=512)
paper = {4: 98.5, 8: 96.4, 16: 92.8, 32: 86.1}  # percent, Appendix A

print("per |  sky grass  tree fence horse | mean | 512 px | paper")
for size, scores in kept.items():
    from_large = enlarge(store_labels(large, size), size)
    mean_large = 100 * score_classes(large, from_large).mean()
    mean_kept = 100 * scores.mean()
    row = "".join(f"{100 * score:6.1f}" for score in scores)
    print(f"{size:3} |{row[1:]} | {mean_kept:.1f}", end=" | ")
    print(f"  {mean_large:.1f} | {paper[size]}")
    assert mean_kept + 5 < mean_large < paper[size] + 1

# %%
lowest_first = [pasture.CLASSES[i] for i in np.argsort(kept[32])]

assert lowest_first[0] == "fence" and 0.15 < kept[32].min() < 0.25
assert {*lowest_first[3:]} == {"sky", "grass"}
assert np.all(kept[32][:2] > 0.7)
lowest_first

# %% [markdown]
# The fence scores below 25 %, grass and sky above 70 %. Thin things die first.
#
# The last column of the table is the paper's, for photographs of about 500
# pixels with the classes of Pascal VOC. Ours are lower, above all because our scenes are small:
# the column before it has 20 scenes drawn at 512 × 512, where 32 pixels are a
# small part of a horse.

# %% [markdown]
# ## Why this is no bound on a network
#
# The paper calls these numbers approximate upper bounds. They are the scores of one
# natural choice of labels, the majority. A network stores *scores*, and enlarges
# them before it decides. Here is a row of 32 pixels and 4 cells: class A up to pixel 12, then
# class B. The border lies inside the second cell.
#
# Between the centers of two cells, straight lines blend their scores; beyond the
# outer centers the score stays. `np.interp` does that, so each pixel is a
# weighted sum of cells. The next lesson is about such weights. The best scores
# are those whose blend is closest to the truth by least squares, and
# `np.linalg.pinv` finds them.


# %%
def blending(size, length):
    centers = np.arange(length // size) * size + (size - 1) / 2
    one_cell = np.eye(len(centers))
    pixels = np.arange(length)
    return np.stack([np.interp(pixels, centers, row) for row in one_cell], 1)


weights_of_cells = blending(8, 32)  # (32, 4): pixels, cells
is_a = np.arange(32) < 13
both_classes = np.stack([is_a, ~is_a], axis=1)  # (32, 2): pixels, classes
best = np.linalg.pinv(weights_of_cells) @ both_classes  # (4, 2)
blended = weights_of_cells @ best  # (32, 2): a score per pixel and class
stored_a = is_a.reshape(4, 8).mean(axis=1) > 0.5  # one label per cell

assert best.min() < 0 and best.max() > 1

# %%
wrong_labels = int(np.sum(stored_a.repeat(8) != is_a))
wrong_scores = int(np.sum((blended[:, 0] > blended[:, 1]) != is_a))

assert (wrong_labels, wrong_scores) == (3, 1)
plotting.show_curves(
    {
        "truth: is it A?": (np.arange(32), is_a.astype(int)),
        "score of A": (np.arange(32), blended[:, 0]),
        "score of B": (np.arange(32), blended[:, 1]),
    },
    alt="The truth falls from 1 to 0 after pixel 12. Score A falls and B"
    " rises in straight lines, which cross after pixel 13, in the second"
    " cell. Near pixel 20 they overshoot: A is below 0, B above 1.",
    x_label="pixel",
    y_label="score",
)

# %% [markdown]
# One label per cell puts the border at pixel 16, between two cells: 3 pixels are
# wrong. The scores cross inside the cell, and 1 pixel is wrong. They may also
# overshoot, below 0 or above 1, to make up for the blur of the blend.
#
# In two directions the weights are applied twice, along columns and along rows.
#
# ### Predict, then run
#
# Now 500 scenes: the same grids, five scores per cell instead of one label.
# For which classes do the fitted scores beat the stored labels, and at which
# sizes? Decide, then run the code.


# %% tags=["nbval-ignore-output"]
def each_class(labels):  # (N, 5, H, W), True where a pixel has the class
    return labels[:, None] == np.arange(5)[:, None, None]


def fit(labels, size):
    inverse = np.linalg.pinv(blending(size, 128)).astype("float32")
    return inverse @ each_class(labels) @ inverse.T  # (N, 5, cells, cells)


def decide(scores, size):
    weights = blending(size, 128).astype("float32")  # (128, cells)
    return (weights @ scores @ weights.T).argmax(axis=1).astype("uint8")


fitted = {s: score_classes(labels, decide(fit(labels, s), s)) for s in kept}
print("points won by fitted scores, for", *pasture.CLASSES)
for size, scores in fitted.items():
    won = 100 * (scores - kept[size])
    print(f"{size:2}", won.round(1), f"mean {100 * scores.mean():.1f}")

# %% [markdown]
# For every class and at every size the scores win, with the same grid. So no
# network that blends scores is bound by the table. We fitted with the truth in
# hand, so this says what a grid can hold at least, not what a network will find.
#
# Must the scores be fitted? The obvious scores need no fit: the share of each
# class in its cell.


# %% tags=["nbval-ignore-output"]
def class_shares(labels, size):
    return cut(each_class(labels), size).mean(INSIDE, dtype="float32")


plain = {
    s: score_classes(labels, decide(class_shares(labels, s), s)) for s in kept
}
print("points won by plain shares, for", *pasture.CLASSES)
for size, scores in plain.items():
    print(f"{size:2}", (100 * (scores - kept[size])).round(1))

assert all(np.all(fitted[s] > kept[s] + 0.01) for s in kept)
assert all(np.all(plain[s] < fitted[s]) for s in kept)
assert all(plain[s].mean() > kept[s].mean() + 0.02 for s in kept)
fence = {s: plain[s][3] - kept[s][3] for s in kept}
assert min(fence[4], fence[8]) > 0.005
assert abs(fence[16]) < 0.015 and fence[32] < -0.03

# %% [markdown]
# Plain shares win in the mean over the classes. For the fence they win at 4 and
# 8 pixels, about tie at 16, and lose more than 3 points at 32.
#
# A share is a mean over the cell, and the blend averages it again with the
# neighbors. A fence that fills 60 % of its cell and nothing of the next drops
# below one half on its way there. Fitted scores overshoot and so survive.

# %%
one = truth[None]  # (1, 128, 128)
cell_size = 8
candidates = {
    "labels": enlarge(store_labels(one, cell_size), cell_size)[0],
    "plain shares": decide(class_shares(one, cell_size), cell_size)[0],
    "fitted scores": decide(fit(one, cell_size), cell_size)[0],
}

plotting.show_images(
    [truth, *candidates.values()],
    ["truth", *candidates],
    alt="The truth and three maps made from 16 by 16 cells. Labels give"
    " squares; plain shares give smooth shapes and separate spots of"
    " fence; fitted scores join some of these spots to a rail.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# All three come from 16 × 16 cells. Labels make squares, shares make smooth blobs,
# and fitted scores join some of the fence's spots to a rail. Legs and rails stay
# rough in all of them: for these a finer grid is needed.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - pooled maps by hand, and saw that a cell forgets where in its window things
#   are;
# - computed receptive field and output stride of VGG16's layers up to fc6, and had
#   both confirmed by gradients;
# - measured that one label per 32 pixels leaves the fence a score under a quarter;
#   scores on the same grid do better for every class.
#
# We blended with weights of our choice. How does a network learn to turn 4 × 4
# scores into 128 × 128?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Table 1 has the receptive
#   field and the stride, Appendix A the scores of the stored labels.
# - K. Simonyan, A. Zisserman (2014):
#   [Very Deep Convolutional Networks for Large-Scale Image
#   Recognition](https://arxiv.org/abs/1409.1556). VGG16.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel (2016):
#   [Understanding the Effective Receptive Field in Deep Convolutional Neural
#   Networks](https://arxiv.org/abs/1701.04128). How the weight is spread inside
#   the field.
# - R. Zhang (2019):
#   [Making Convolutional Networks Shift-Invariant
#   Again](https://arxiv.org/abs/1904.11486). What pooling does to shifts.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: the network throws most of its
# numbers away, and it does better for it. Ask what a picture keeps if you squint.
#
# Minutes to read: opening 2, pooling 4, work 2, sight 9, calm 4, what is left 3, no
# bound 6.
#
# Misconceptions, and the question that brings each to light:
#
# - Pooling makes a network invariant to shifts. Ask: by how many pixels may the
#   picture move before the pooled map changes at all?
# - A large receptive field means that the cell uses all of it. Ask: along how many
#   paths does the outermost pixel reach the cell?
# - What a pool forgets is gone for good. Ask: what could the channels have written
#   down before?
# - The table of stored labels is a limit for networks. Ask: does a cell hold a
#   class or scores?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - conv2_2: a quarter of the cells, twice the channels in and twice out; without
#   pools all later layers work on every pixel;
# - without pools: each window adds two pixels, since the stride stays 1;
# - noise: the mean divides the deviation by the root of n; a maximum picks the
#   luckiest, so it moves up; the mean finds what fills a window, the maximum what is
#   strong;
# - one label per 32 pixels: thin things lose most, large ones least;
# - fitted scores: they beat stored labels everywhere, because a border may lie
#   inside a cell.
#
# The third prediction asks for several numbers: two points for all of them, one for
# most.
