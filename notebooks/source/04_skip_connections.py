# %% [markdown]
# # Why is FCN-32s coarse, and what do pool4 and pool3 give back?
#
# You can shrink a picture to a small map of class scores (lessons 1 and 2),
# and enlarge such a map again (lesson 3). This lesson joins the two ways into
# networks. The first figure shows what three of them make of one pasture.

# %%
from fcnlib import models, pasture, plotting

networks = {
    name: models.load_pretrained(f"pasture-{name}")
    for name in ("fcn32s", "fcn16s", "fcn8s")
}
image, _ = pasture.draw_scene(seed=17, height=192, width=256)
guesses = [models.predict_labels(net, image) for net in networks.values()]
plotting.show_images(
    [image, *guesses],
    ["picture", "FCN-32s", "FCN-16s", "FCN-8s"],
    alt="Two horses by a fence, and three predictions. From FCN-32s to FCN-8s"
    " the outlines get sharper, and legs and fence come back.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Each of them learned from scratch, from the same scenes and for as long as
# the others. Yet one draws blobs, and another draws horses with legs.
#
# After this lesson you can:
#
# - build FCN-32s, FCN-16s and FCN-8s, and count their parameters by hand;
# - compute where each cell of a map sits in the picture;
# - show in pictures and in numbers what pool4 and pool3 give back;
# - explain what zero padding does to the scores at the border.
#
# 35 minutes to read, 20 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## FCN-32s: one coarse map of scores
#
# The **backbone** is the part of a network that turns the picture into feature
# maps. Ours has the five blocks of VGG16: convolutions of 3 × 3, each followed
# by a ReLU, which sets negative numbers to 0, and a max pooling at the end.
# `models.vgg_pools` builds it and returns the last three pools.

# %%
import os

import keras

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
NUM_SCENES = 20 if QUICK else 200  # on which we count, below

pools = models.vgg_pools(keras.Input((128, 128, 3)))
[pool.shape[1:] for pool in pools]  # pool3, pool4, pool5

# %% [markdown]
# The output strides are 8, 16 and 32, as in lesson 2. This is our own narrower
# variant, size "course", the default: a laptop can train it. Behind each
# convolution it also normalizes: every channel is brought to mean 0 and spread
# 1, then scaled and shifted as training finds best. That lets it start from
# random weights.
#
# Two layers follow that were dense in VGG16, `fc6` and `fc7`, read as
# convolutions. The next cell holds the pieces that we need.

# %%
from fcnlib import layers


def convolve(features, channels, kernel_size, name):
    windows = keras.layers.Conv2D(
        channels, kernel_size, padding="same", use_bias=False, name=name
    )
    normalize = keras.layers.BatchNormalization(name=f"{name}_norm")
    return keras.layers.ReLU()(normalize(windows(features)))


def deconvolve(scores, stride, name):  # bilinear, as in lesson 3
    return keras.layers.Conv2DTranspose(
        filters=5,
        kernel_size=2 * stride,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=layers.Bilinear(),
        trainable=False,
        name=name,
    )(scores)


# %% [markdown]
# A convolution of 1 × 1 turns 128 features into 5 class scores. Such scores
# are called **logits** as long as no softmax has turned them into positive
# shares with sum 1: each may be any number, and the largest names the class.
# **FCN-32s** is the network that scores the classes at stride 32 alone and
# enlarges these scores 32 times.
#
# ![FCN-32s drawn to scale. Above, a picture of 128 × 128 pixels shrinks through
# five pools to 4 × 4 cells with 128 channels. Below, 4 × 4 × 5 scores are
# enlarged 32 times at once.](../notebooks/figures/fcn32s.svg)

# %%
import numpy as np


def build_fcn32s():
    images = keras.Input((None, None, 3))  # any height, any width
    _, _, pool5 = models.vgg_pools(images)
    fc6 = convolve(pool5, 128, 3, "fc6")
    fc7 = convolve(fc6, 128, 1, "fc7")
    score_fr = keras.layers.Conv2D(5, 1, name="score_fr")(fc7)
    enlarged = deconvolve(score_fr, 32, "upscore32")
    return keras.Model(images, layers.CropLike()([enlarged, images]))


fcn32s = build_fcn32s()
fcn32s.set_weights(networks["fcn32s"].get_weights())
np.testing.assert_allclose(
    fcn32s(image[None]), networks["fcn32s"](image[None]), atol=1e-3
)

# %% [markdown]
# With the same weights, our network and the shipped one give the same logits.
# They are coarse: 192 × 256 pixels have 6 × 8 scores for each class, and all
# the rest is interpolated.
#
# `CropLike` is the last piece: it cuts a map at the bottom and at the right to
# the size of another. When is there something to cut?
#
# ### Predict, then run
#
# A picture has 100 rows and 150 columns. Pooling with padding "same" rounds
# up. Write down the size of the map of scores, and of the enlarged map.

# %%
scores = keras.Model(fcn32s.input, fcn32s.get_layer("score_fr").output)
picture = np.zeros((1, 100, 150, 3))

large_map = fcn32s.get_layer("upscore32")(scores(picture))

tuple(scores(picture).shape), tuple(large_map.shape)

# %% [markdown]
# 100 / 32 is 3.1, so there are 4 rows, and 5 columns. Enlarged, they are 128 ×
# 160, of which 28 rows and 10 columns hang over.

# %% [markdown]
# ## How many parameters?
#
# A convolution with a kernel of $k × k$ holds $(k^2 · in + 1) · out$
# parameters, the 1 for the bias. That is enough to count the paper's networks,
# which have VGG16's channels, 4,096 in `fc6` and `fc7`, and 21 classes.


# %%
def parameters(kernel_size, channels_in, channels_out):
    return (kernel_size**2 * channels_in + 1) * channels_out


blocks = (64,) * 2 + (128,) * 2 + (256,) * 3 + (512,) * 6
convolutions = sum(map(parameters, (3,) * 13, (3, *blocks), blocks))
fc6_and_fc7 = parameters(7, 512, 4096) + parameters(1, 4096, 4096)
paper_fcn32s = convolutions + fc6_and_fc7 + parameters(1, 4096, 21)

assert paper_fcn32s == 134_346_581
parameters(7, 512, 4096), paper_fcn32s

# %% [markdown]
# `fc6` alone holds three quarters of all.
#
# ### Predict, then run
#
# **FCN-16s** is FCN-32s with the class scores of pool4 added at stride 16.
# **FCN-8s** is FCN-16s with the class scores of pool3 added at stride 8. In
# the paper, pool4 has 512 channels and pool3 has 256, and convolutions of 1 ×
# 1 score them. How many parameters does each add? Is it above or below 1 % of
# the network?

# %%
paper_fcn16s = paper_fcn32s + parameters(1, 512, 21)
paper_fcn8s = paper_fcn16s + parameters(1, 256, 21)

paper_fcn16s - paper_fcn32s, paper_fcn8s - paper_fcn16s

# %% [markdown]
# 513 · 21 and 257 · 21: less than a hundredth of one percent. Now Keras
# counts. In the scope below it keeps the shapes of the weights and fills in no
# numbers. Our deconvolutions stay `fixed`, though they could be trained. Each
# has a kernel of $2s × 2s$ from 21 to 21 classes, without bias. `counted` is
# the sum.

# %%
builders = (models.fcn32s, models.fcn16s, models.fcn8s)
with keras.StatelessScope(initialize_variables=False):
    paper_networks = [build(21, "vgg16") for build in builders]

trained = [
    sum(np.prod(weight.shape) for weight in network.trainable_weights)
    for network in paper_networks
]
strides = ((32,), (2, 16), (2, 2, 8))
fixed = [sum((2 * stride * 21) ** 2 for stride in row) for row in strides]
counted = [network.count_params() for network in paper_networks]

assert trained == [paper_fcn32s, paper_fcn16s, paper_fcn8s]
assert trained == [134_346_581, 134_357_354, 134_362_751]
assert counted == [sum(pair) for pair in zip(trained, fixed, strict=True)]
counted

# %% [markdown]
# Our prediction holds to the last parameter. The totals fall, because the
# fixed 64 × 64 kernel holds 1.8 million numbers, and the smaller ones far
# fewer.
#
# The course size is counted in the same way. Its convolutions have no bias,
# but a normalization with 4 numbers per channel: mean, spread, scale and
# shift.

# %%
widths = (16,) * 2 + (32,) * 2 + (64,) * 3 + (96,) * 3 + (128,) * 3
ins, outs = (3, *widths, 128), (*widths, 128, 128)  # the last two: fc6 and fc7
kernels = (3,) * 14 + (1,)
features = [
    (size**2 * channels_in + 4) * channels_out
    for size, channels_in, channels_out in zip(kernels, ins, outs, strict=True)
]
course_fcn32s = sum(features) + parameters(1, 128, 5)

assert fcn32s.count_params() == course_fcn32s + (2 * 32 * 5) ** 2
course_fcn32s, parameters(1, 96, 5), parameters(1, 64, 5)

# %% [markdown]
# Pool4 and pool3 add 485 and 325 parameters to our network. If they change so
# much in the first figure, it is not by their number.

# %% [markdown]
# ## Where does a cell sit?
#
# Two maps can be added only if their cells show the same place. So we follow
# the middle of the first cell, in pixels of the picture, and the step to the
# next one. A window of $k$ with padding $p$ has its middle at
# $(k - 1) / 2 - p$. A deconvolution is the same layer backward: each cell is the
# middle of a stamp, so its first result lies `middle` of the new, smaller steps
# before it.


# %%
def follow(place, kernel_size, stride=1, padding=0, backward=False):
    first, step = place
    middle = (kernel_size - 1) / 2 - padding
    if backward:
        return first - middle * step / stride, step / stride
    return first + middle * step, step * stride


pooled = follow((0, 1), 2, stride=2)
pooled, follow(pooled, 4, stride=2, padding=1, backward=True)

# %% [markdown]
# A pooling of 2 × 2 puts its first cell between the pixels 0 and 1, at 0.5.
# The deconvolution leads back to pixel 0, with a step of 1. Now the whole
# network, with the padding "same" of this course, and with the paper's: 100
# pixels around the picture, and none in `fc6`.


# %%
def follow_vgg16(first_padding, fc6_padding):
    place, places = (0, 1), {}
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(convolutions):
            is_first = (block, number) == (1, 0)
            place = follow(place, 3, padding=first_padding if is_first else 1)
        place = follow(place, 2, stride=2)
        places[f"pool{block}"] = place
    return {**places, "fc7": follow(place, 7, padding=fc6_padding)}


ours = follow_vgg16(first_padding=1, fc6_padding=3)
paper = follow_vgg16(first_padding=100, fc6_padding=0)

assert ours["fc7"] == (15.5, 32) and paper["fc7"] == (12.5, 32)
ours, {name: paper[name] for name in ("pool3", "pool4", "fc7")}

# %% [markdown]
# With "same", the first cell always sits at (stride - 1) / 2. That is where a
# deconvolution with a kernel of twice its stride puts it, too. All maps begin
# at one corner. Only what rounding up has added hangs over, at the other end.


# %%
def enlarge_place(place, stride, padding):
    return follow(place, 2 * stride, stride, padding, backward=True)


assert enlarge_place(ours["fc7"], 32, 16) == (0, 1)
assert enlarge_place(ours["fc7"], 2, 1) == ours["pool4"]
assert enlarge_place(ours["pool4"], 2, 1) == ours["pool3"]
assert enlarge_place(ours["pool3"], 8, 4) == (0, 1)

paper_upscore2 = enlarge_place(paper["fc7"], 2, padding=0)
paper["pool4"], paper_upscore2

# %% [markdown]
# ### Predict, then run
#
# The paper's deconvolutions have no padding. Its pool4 begins at pixel -91.5,
# and `upscore2` at -11.5, both with a step of 16. How many cells of pool4 must
# be cropped, before the two maps can be added?


# %%
def crop_offset(large, small):
    return (small[0] - large[0]) / large[1]


paper_upscore_pool4 = enlarge_place(paper_upscore2, 2, padding=0)
picture_place = (0, 1)
crop_offset(paper["pool4"], paper_upscore2)

# %% [markdown]
# 80 pixels are 5 cells. The other crops follow in the same way. The cell also
# takes an example, 500 rows, and counts those of `upscore8`: five pools round
# up, and `fc6` takes 6.

# %%
fcn32s_crop = crop_offset(enlarge_place(paper["fc7"], 32, 0), picture_place)
fcn16s_crops = [
    crop_offset(paper["pool4"], paper_upscore2),
    crop_offset(enlarge_place(paper_upscore2, 16, 0), picture_place),
]
fcn8s_crops = [
    fcn16s_crops[0],
    crop_offset(paper["pool3"], paper_upscore_pool4),
    crop_offset(enlarge_place(paper_upscore_pool4, 8, 0), picture_place),
]

assert fcn32s_crop == 19 and fcn16s_crops == [5, 27]
fc7_rows = -(-(500 + 2 * 99) // 32) - 6
upscore8_rows = (((fc7_rows + 1) * 2 + 1) * 2 + 1) * 8

assert fcn8s_crops == [5, 9, 31] and upscore8_rows == 568
fcn32s_crop, fcn16s_crops, fcn8s_crops

# %% [markdown]
# The numbers 19; 5 and 27; 5, 9 and 31 are those of the authors' published
# networks. They stand as bare numbers in the prototxt files; `net.py` leaves
# them to Caffe. A crop in the middle would be wrong: for 500 rows `upscore8`
# has 568, and half of the rest is 34, three pixels off.
#
# One more check, of one row: let each cell's score be the column where it
# sits. Enlarged, each pixel should hold its own column.

# %%
centers = 15.5 + 32 * np.arange(4)  # of the cells of fc7 in 128 columns
columns = np.tile(centers.reshape(1, 1, 4, 1), (1, 4, 1, 5))  # (1, 4, 4, 5)
at_once = deconvolve(columns, 32, "at_once")[0, 64, :, 0]  # (128,)

np.testing.assert_allclose(at_once[16:-16], np.arange(16, 112), atol=1e-4)

# %% [markdown]
# So it is, but for the outer 16 pixels, where the deconvolution meets zeros.

# %% [markdown]
# ## FCN-16s and FCN-8s: finer scores are added
#
# A **skip connection** carries an early map past the later layers, to where
# its detail is missing. In an FCN it carries class scores. **Fusion** is the
# sum, cell by cell, of enlarged coarse scores and the scores of a finer map.
#
# A toy: 2 × 2 scores of "horse", positive on the right, are enlarged to 4 × 4.
# The finer scores know of one leg on the left, and of one gap. Here the outer
# cells are repeated; the last section looks at zeros.

# %%
twice = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
coarse = np.array([[-2, 2], [-2, 2]])
enlarged = twice @ coarse @ twice.T  # rows, then columns
fine = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [4, 0, 0, -4], [4, 0, 0, -4]])
fused = enlarged + fine

assert np.array_equal(fused[0], enlarged[0]) and fused[3, 0] > 0 > fused[3, 3]
plotting.show_grids(
    [coarse, enlarged, fine, fused],
    ["coarse", "enlarged", "fine", "sum"],
    alt="A 2 by 2 grid of scores, enlarged to 4 by 4: negative left, positive"
    " right. A fine grid adds, in the lower half alone, 4 in the first column"
    " and -4 in the last. The sum has both details.",
)

# %% [markdown]
# The enlarged scores hold two halves, and no threshold finds a leg in them.
# The sum has both details, and it keeps the coarse decision where the fine
# scores are 0. The fine scores need not know what a horse is: they correct.
#
# FCN-16s fuses at stride 16, and enlarges the sum 16 times.
#
# ![FCN-16s drawn to scale. The scores of 4 × 4 cells are enlarged twice, the
# scores of pool4 come down and are added, and the sum of 8 × 8 cells is
# enlarged 16 times.](../notebooks/figures/fcn16s.svg)


# %%
def build_fcn16s():
    images = keras.Input((None, None, 3))
    _, pool4, pool5 = models.vgg_pools(images)
    fc7 = convolve(convolve(pool5, 128, 3, "fc6"), 128, 1, "fc7")
    score_fr = keras.layers.Conv2D(5, 1, name="score_fr")(fc7)
    start = {"kernel_initializer": "zeros"}  # the skip says nothing at first
    score_pool4 = keras.layers.Conv2D(5, 1, name="score_pool4", **start)(pool4)
    large = deconvolve(score_fr, 2, "upscore2")
    upscore2 = layers.CropLike()([large, score_pool4])
    fuse_pool4 = keras.layers.Add()([upscore2, score_pool4])
    enlarged = deconvolve(fuse_pool4, 16, "upscore16")
    return keras.Model(images, layers.CropLike()([enlarged, images]))


fcn16s = build_fcn16s()
fcn16s.set_weights(networks["fcn16s"].get_weights())
np.testing.assert_allclose(
    fcn16s(image[None]), networks["fcn16s"](image[None]), atol=1e-3
)

# %% [markdown]
# Scores are added before any softmax, and no ReLU stands on them: a skip must
# be able to say "less". Each call builds layers of its own, so that training
# one network never changes another.
#
# FCN-8s takes the same step once more, with pool3.
#
# ![FCN-8s drawn to scale. As FCN-16s, but the sum at stride 16 is enlarged twice,
# the scores of pool3 are added at stride 8, and that sum is enlarged 8
# times.](../notebooks/figures/fcn8s.svg)

# %% [markdown]
# ### Exercise: predict the sizes
#
# A picture of 100 rows and 70 columns goes into FCN-8s. Bind
# `deconvolved_sizes` to three pairs (rows, columns): the sizes that leave
# `upscore2`, `upscore_pool4` and `upscore8`, *before* they are cropped. For
# 128 rows and 128 columns the answer is `[(8, 8), (16, 16), (128, 128)]`.
#
# <details><summary>Hint 1</summary>
#
# Begin with the pools: how many cells has each, if halves are rounded up?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `upscore2` is twice pool5. It is cropped to pool4 before it is enlarged
# again.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The rows of pool1 to pool5 are 50, 25, 13, 7 and 4.
#
# </details>

# %% points=1
# solution
deconvolved_sizes = [(2 * 4, 2 * 3), (2 * 7, 2 * 5), (8 * 13, 8 * 9)]

# %%
from fcnlib import checks

checks.deconvolved_sizes(deconvolved_sizes)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many divide 100 by 32 and round down, as lesson 1's
# "valid" windows do. Ask which cell sees the last row of the picture. Others
# go on with the map that is not cropped: ask what is added to it.

# %% [markdown]
# ### Exercise: find the mistake
#
# Someone wrote FCN-16s like this. `deconvolve` is a transposed convolution
# with padding "same" that starts bilinear (trained or fixed, both are right),
# and `Crop` is our `CropLike`.
#
# ```python
# score_fr = Conv2D(5, 1, activation="relu")(fc7)                # line 1
# upscore2 = deconvolve(score_fr, kernel_size=4, stride=2)       # line 2
# score_pool4 = Conv2D(5, 1, kernel_initializer="zeros")(pool4)  # line 3
# score_pool4 = Crop()([score_pool4, upscore2])                  # line 4
# fuse_pool4 = Add()([upscore2, score_pool4])                    # line 5
# upscore16 = deconvolve(fuse_pool4, kernel_size=16, stride=16)  # line 6
# logits = Crop()([upscore16, images])                           # line 7
# ```
#
# Three lines are faulty. Bind `faulty_lines` to a list of their numbers, as in
# `[2, 3]`.
#
# <details><summary>Hint 1</summary>
#
# One fault concerns values, one concerns sizes, and one concerns a kernel.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Which values can `score_fr` have? With padding "same", unlike in the paper,
# which of the two maps is larger, if a side of pool4 is odd? How wide is a
# bilinear stamp?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Compare line by line with `build_fcn16s`.
#
# </details>

# %% points=2
# solution
faulty_lines = [1, 4, 6]

# %%
checks.faulty_lines(faulty_lines)

# %% [markdown] tags=["instructor"]
# **For instructors.** The zeros of line 3 are the most frequent false alarm:
# "a layer of zeros learns nothing". Ask for the gradient of a product $w · x$
# with respect to $w$ at $w = 0$. The fault of line 4 stays hidden as long as
# all pictures are multiples of 32.

# %% [markdown]
# ### Predict, then run
#
# The scores of the skips start at zero. So a new FCN-16s says what FCN-32s
# said, enlarged twice and then 16 times. Is that the same as 32 times at once?
# Take one row of scores, `[0, 0, 1, 0, 0]`, and 2 and 2 against 4 at once.
# Which peak is higher, and by how much?


# %%
def enlarging_matrix(cells, stride):  # (stride * cells, cells), from lesson 3
    places = (np.arange(stride * cells) + 0.5) / stride - 0.5
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))


peak = np.array([0, 0, 1, 0, 0])
in_two_steps = enlarging_matrix(10, 2) @ enlarging_matrix(5, 2) @ peak
in_one_step = enlarging_matrix(5, 4) @ peak

for sixteenths in (16 * in_two_steps, 16 * in_one_step):
    print(*sixteenths[4:16].astype(int))

# %% [markdown]
# In sixteenths, two steps reach 12, and one step reaches 14. Two steps cut off
# the tip of a peak. Along a straight slope they agree. So FCN-8s begins as
# FCN-32s with rounded tips. The next cell starts an FCN-8s with the weights of
# FCN-32s, and compares.

# %%
new_fcn8s = models.fcn8s(num_classes=5)
for layer in networks["fcn32s"].layers:
    if layer.name in {other.name for other in new_fcn8s.layers}:
        new_fcn8s.get_layer(layer.name).set_weights(layer.get_weights())
in_steps = keras.Sequential(
    keras.layers.UpSampling2D(factor, interpolation="bilinear")
    for factor in (2, 2, 8)
)
by_steps = in_steps(scores(image[None]))  # of score_fr: (1, 192, 256, 5)
begins_as = np.argmax(new_fcn8s(image[None])[0], axis=-1)
inside = np.s_[:, 32:-32, 32:-32]  # away from the padding

np.testing.assert_allclose(
    new_fcn8s(image[None])[inside], by_steps[inside], atol=1e-3
)
assert np.mean(begins_as == guesses[0]) > 0.9

# %% [markdown]
# Inside, the new FCN-8s holds the scores of FCN-32s, enlarged in three steps,
# and more than 9 of 10 labels are those of FCN-32s. Training goes on from
# there: the authors trained the three networks one after the other. Ours were
# trained each by itself, so their difference is not a matter of time.

# %% [markdown]
# ## What do pool4 and pool3 give back?
#
# The next figure cuts out a part of the first scene, before and after each
# skip.

# %%
part = np.s_[50:150, 130:256]
plotting.show_images(
    [image[part], *(guess[part] for guess in guesses)],
    ["picture", "32s", "16s: + pool4", "8s: + pool3"],
    alt="A horse by a fence. FCN-32s finds a blob, FCN-16s the head and a"
    " hint of legs, FCN-8s legs and pieces of the fence.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# One scene proves little. The next cell counts on 20 scenes that no network
# has seen. Which share of the fence's pixels is found, and which of the thin
# parts of horses (legs, muzzle, ears, tail)? Thin is where no square of 11 ×
# 11 fits into the horse.

# %% tags=["nbval-ignore-output"]
import cv2

images, labels = pasture.draw_scenes(range(NUM_SCENES), 192, 256)
fence, horse = labels == 3, (labels == 4).astype("uint8")
window = np.ones((11, 11), dtype="uint8")
bodies = [cv2.morphologyEx(one, cv2.MORPH_OPEN, window) for one in horse]
thin = (horse - np.array(bodies)).astype(bool)

found = {
    name: models.predict_labels(networks[name], images) for name in networks
}
fence_found = {name: np.mean(found[name][fence] == 3) for name in networks}
thin_found = {name: np.mean(found[name][thin] == 4) for name in networks}
for name, share in fence_found.items():
    print(f"{name}: fence found {share:.2f}, thin {thin_found[name]:.2f}")

# %% [markdown]
# Both rise with each skip. They could rise for a wrong reason: a network that
# calls everything fence finds all of it. So we also ask: which share of the
# pixels called fence, or horse, is right?

# %% tags=["nbval-ignore-output"]
valid = labels != 255
fence_right, horse_right = (
    [np.mean(truth[(found[name] == number) & valid]) for name in networks]
    for number, truth in ((3, fence), (4, horse))
)

assert fence_found["fcn32s"] < fence_found["fcn16s"] < fence_found["fcn8s"]
assert thin_found["fcn32s"] < thin_found["fcn16s"] < thin_found["fcn8s"]
assert abs(fence_right[1] - fence_right[0]) < 0.05
assert max(fence_right[:2]) < fence_right[2]
assert horse_right[0] < horse_right[1] < horse_right[2]
for name, *shares in zip(networks, fence_right, horse_right, strict=True):
    print("{}: fence right {:.2f}, horse right {:.2f}".format(name, *shares))

# %% [markdown]
# So more is found, and not by calling more things fence or horse. For the
# fence, pool4 hardly moves this share, and pool3 raises it; for horses, both
# skips do. They give back *where* things are. Lesson 5 puts both counts into
# one score.
#
# Which part of the network knows what? Enlarging and adding is all that
# happens to the three maps of scores. So FCN-8s fits into three lines of
# NumPy, and its logits are a sum of three parts.


# %%
def enlarge(scores, stride):  # (h, w, C) to (stride * h, stride * w, C)
    rows, columns = (
        enlarging_matrix(cells, stride) for cells in scores.shape[:2]
    )
    return np.einsum("ih,hwc,jw->ijc", rows, scores, columns, optimize=True)


fcn8s = networks["fcn8s"]
score_names = ("score_fr", "score_pool4", "score_pool3")
score_layers = [fcn8s.get_layer(name).output for name in score_names]
all_scores = keras.Model(fcn8s.input, score_layers)(image[None])
from_fr, from_pool4, from_pool3 = (np.array(part[0]) for part in all_scores)

at_stride_16 = enlarge(from_fr, 2) + from_pool4  # (12, 16, 5)
at_stride_8 = enlarge(at_stride_16, 2) + from_pool3  # (24, 32, 5)
logits = enlarge(at_stride_8, 8)  # (192, 256, 5)

np.testing.assert_allclose(logits, fcn8s(image[None])[0], atol=1e-3)

# %%
parts = [
    enlarge(enlarge(enlarge(from_fr, 2), 2), 8),
    enlarge(enlarge(from_pool4, 2), 8),
    enlarge(from_pool3, 8),
]
np.testing.assert_allclose(sum(parts), logits, atol=1e-3)

plotting.show_maps(
    [part[..., 4] - part.mean(axis=-1) for part in parts],
    ["from fc7", "from pool4", "from pool3"],
    alt="Three maps of what speaks for horse, against the mean of the classes."
    " From fc7: broad blobs. From pool4: a band along neck and back. From"
    " pool3: legs, outlines, and the edges of trees.",
    signed=True,
)

# %% [markdown]
# The maps show what speaks for horse (purple) and against it (orange). The
# deepest scores say roughly where a horse is. Pool4 adds the line of neck and
# back. Pool3 draws legs and outline, and also edges of trees, which the deeper
# scores outvote.

# %% [markdown]
# ## What happens at the border?
#
# A deconvolution meets zeros outside the map, so scores shrink toward the
# border. Lesson 3 measured it: a map of ones keeps 3/4 at an edge for stride
# 2, 33/64 for 32. In general it is $(s + 1) / (2s)$, and the square in a
# corner, as the cell asserts. Then it divides FCN-32s's logits by the enlarged
# map of ones, as if nothing had shrunk, and compares the labels.

# %%
for stride in (2, 8, 16, 32):
    ones = enlarge(np.ones((4, 4, 1)), stride)[..., 0]
    assert ones[0, 2 * stride] == (stride + 1) / (2 * stride)
    assert ones[0, 0] == ones[0, 2 * stride] ** 2
    print(f"stride {stride}: edge {ones[0, 2 * stride]}, corner {ones[0, 0]}")

shrunk = np.array(networks["fcn32s"](image[None])[0])  # (192, 256, 5)
restored = shrunk / enlarge(np.ones((6, 8, 1)), 32)
assert np.mean(restored.argmax(-1) == shrunk.argmax(-1)) > 0.9999

# %% [markdown]
# The labels of FCN-32s stay as they are. Its deconvolution is the last step,
# and all classes of a pixel shrink by one factor, so the largest stays the
# largest.

# %% [markdown]
# ### Predict, then run
#
# In FCN-16s, the shrinking comes *before* a sum. Let the coarse scores say sky
# 1 and tree 0 everywhere, and let those of pool4 say sky 0 and tree 0.6. Which
# class wins inside, at an edge, and in a corner?

# %%
coarse_says = np.tile([1.0, 0.0], (3, 3, 1))  # (3, 3, 2): sky, tree
pool4_says = np.tile([0.0, 0.6], (6, 6, 1))
winners = np.argmax(enlarge(coarse_says, 2) + pool4_says, axis=-1)

plotting.show_grids(
    [enlarge(coarse_says, 2)[..., 0], pool4_says[..., 1], winners],
    ["sky", "tree", "winner"],
    alt="Three 6 by 6 grids. Sky has 1 inside, 0.75 at the edges and 0.5625 in"
    " the corners; tree has 0.6 everywhere. The winner is tree in the corners"
    " alone.",
)

# %% [markdown]
# Sky wins with 1 and with 0.75. It loses in the corners with 0.5625 (rounded
# in the figure), although no score changed its mind. So in FCN-16s and FCN-8s
# the padding can change a label. Does it? We enlarge the scores of FCN-8s
# again, now repeating the outer cells, and compare: each row of the matrix is
# divided by its sum.


# %% tags=["nbval-ignore-output"]
def enlarge_repeating(scores, stride):
    ones = np.ones((*scores.shape[:2], 1))
    return enlarge(scores, stride) / enlarge(ones, stride)


repeating_16 = enlarge_repeating(from_fr, 2) + from_pool4
repeating_8 = enlarge_repeating(repeating_16, 2) + from_pool3
repeating = enlarge_repeating(repeating_8, 8).argmax(axis=-1)
changed = repeating != logits.argmax(axis=-1)

assert winners.sum() == winners[::5, ::5].sum() == 4  # tree, in the corners
assert 0 < changed.mean() < 0.03 and not changed[32:-32, 32:-32].any()
print(f"{changed.sum()} of {changed.size} labels change")
marked = plotting.colorize(np.where(changed, repeating, 255))
plotting.show_images(
    [logits.argmax(-1), repeating, marked],
    ["zeros outside", "outer cells repeated", "changed (white: same)"],
    alt="Two predictions of FCN-8s that look alike, and a map that is white"
    " except for a few pixels at the border, where their labels differ.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# A few labels change, none farther inside than 32 pixels. The network was
# trained with the zeros, so they need not be worse. The convolutions see zeros
# outside, too: with "same", `fc6` of VGG16 reaches 3 cells, or 96 pixels,
# beyond the map. The paper pads the picture instead, by 100 pixels, so that
# `fc6` needs no padding; the price is its crops.

# %% [markdown]
# ### Exercise: write FCN-8s
#
# Write `build_fcn8s(num_classes)`, which returns a `keras.Model` from images
# of any size to logits of that size. The given lines fetch what comes before
# the scores. Add `score_fr` and all that follows it.
#
# The figure of FCN-8s prescribes eight names, and each must be the name of one
# layer: `score_fr`, `upscore2`, `score_pool4`, `fuse_pool4`, `upscore_pool4`,
# `score_pool3`, `fuse_pool3`, `upscore8`. Scores are convolutions of 1 × 1
# with bias, those of the skips start at zero. `upscore` layers are
# `keras.layers.Conv2DTranspose` with padding "same" and `**bilinear`, `fuse`
# layers `keras.layers.Add`. Names of crops are free, and so is `trainable`.
# The check takes some seconds: it compares each map with the course's, under
# the same weights.
#
# For instance, `build_fcn8s(3)` turns images of (1, 50, 70, 3) into logits of
# (1, 50, 70, 3).
#
# <details><summary>Hint 1</summary>
#
# Go through the lower row of the figure from right to left, one line for each
# name. The stride of each `upscore` stands on its arrow; its kernel is twice
# that.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each of the three enlarged maps is cropped at once: to the scores that are
# added to it, and the last one to `base.input`.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# From pool4 to its fusion there are three steps: a 1 × 1 convolution of pool4;
# a deconvolution of `score_fr` with stride 2 and its crop; their sum. The
# steps for pool3 are the same, with the sum in place of `score_fr`.
#
# </details>


# %% points=3
def build_fcn8s(num_classes):
    base = models.fcn32s(num_classes)  # used up to fc7
    names = ("block3_pool", "block4_pool", "fc7_relu")
    pool3, pool4, fc7 = (base.get_layer(name).output for name in names)
    bilinear = {"use_bias": False, "kernel_initializer": layers.Bilinear()}
    # solution

    def enlarge(scores, stride, like, name):
        layer = keras.layers.Conv2DTranspose(
            num_classes, 2 * stride, stride, "same", name=name, **bilinear
        )
        return layers.CropLike()([layer(scores), like])

    def score(name, **options):
        return keras.layers.Conv2D(num_classes, 1, name=name, **options)

    fused = score("score_fr")(fc7)
    steps = [(pool4, "pool4", "upscore2"), (pool3, "pool3", "upscore_pool4")]
    for pool, pool_name, upscore in steps:
        skip = score(f"score_{pool_name}", kernel_initializer="zeros")(pool)
        large = enlarge(fused, 2, skip, upscore)
        fused = keras.layers.Add(name=f"fuse_{pool_name}")([large, skip])
    return keras.Model(base.input, enlarge(fused, 8, base.input, "upscore8"))


# %%
checks.build_fcn8s(build_fcn8s)

# %% [markdown] tags=["instructor"]
# **For instructors.** The crops are forgotten most often, since pictures of
# 128 × 128 do not need them. Ask for the sizes at 40 × 40. A ReLU or a softmax
# on the scores comes from the habit of classification: ask what a skip can
# then no longer say.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - built FCN-32s, FCN-16s and FCN-8s from five kinds of layers, and counted
#   134 million parameters by hand;
# - followed the cells back into the picture, and derived the paper's crops;
# - saw fence and legs come back, by two maps of scores that hold less than a
#   thousandth of the parameters each;
# - found that zeros at the border change no label of FCN-32s, and some of FCN-8s.
#
# You compared networks by shares of single classes. The next lesson asks: when
# is a segmentation good?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 4 has the three
#   networks, Figure 3 draws them.
# - E. Shelhamer and others:
#   [fcn.berkeleyvision.org](https://github.com/shelhamer/fcn.berkeleyvision.org).
#   The authors' published networks, with the crops that we derived.
# - K. Simonyan, A. Zisserman (2015):
#   [Very Deep Convolutional Networks for Large-Scale Image
#   Recognition](https://arxiv.org/abs/1409.1556). VGG16, the backbone.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: deep layers know what, early layers
# know where, and a sum is all that joins them. Keep the three drawings on the wall.
#
# Minutes to read: opening 2, FCN-32s 4, parameters 4, where a cell sits 6, FCN-16s and
# FCN-8s 8, what comes back 5, border 6.
#
# Misconceptions, and the question that brings each to light:
#
# - A skip brings pixels or features back. Ask: how many channels does the map have
#   that is added?
# - More parameters explain the gain. Ask: which share of the network does a skip
#   add?
# - FCN-8s is better because it trained longer. Ask: what did each of the three
#   learn from, and for how long?
# - A crop belongs in the middle. Ask: on which side does rounding up add a cell?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - 100 × 150: every pool rounds up, so the enlarged map is larger than the picture;
# - parameters of the skips: channels plus one bias, times classes; far below 1 %;
# - the crop: the distance of the two first cells, in steps of the finer map;
# - two steps or one: two steps cut the tip of a peak and keep straight slopes;
# - sky and tree: the coarse score shrinks at the border before the sum, the finer
#   one does not.
#
# The section on where a cell sits can be left out in a short class. Nothing later
# needs the paper's crops.
