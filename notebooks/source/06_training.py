# %% [markdown]
# # What has to be right for it to learn?
#
# You can build an FCN and judge what it draws. Now it learns. The first figure
# shows one network twice: new, and trained.

# %%
import keras

from fcnlib import models, pasture, plotting

image, truth = pasture.draw_scene(seed=17, height=192, width=256)
keras.utils.set_random_seed(3)
pair = models.fcn8s(num_classes=5), models.load_pretrained("pasture-fcn8s")
before_and_after = [models.predict_labels(one, image) for one in pair]
plotting.show_images(
    [image, truth, *before_and_after],
    ["picture", "truth", "new", "trained"],
    alt="Two horses by a fence, the truth, and two predictions: meaningless"
    " patches before training, horses and a fence after it.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Both have the same layers. Between them lie thousands of small steps.
#
# After this lesson you can:
#
# - compute a loss with void, and one training step, by hand;
# - choose optimizer, learning rate, schedule and batch size by experiments, and
#   say what one seed cannot show;
# - train three networks under one budget, and score them fairly;
# - predict what class weights do to rare classes and to the others.
#
# 45 minutes to read, 150 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## How wrong is a prediction?
#
# A **loss** is one number that says how wrong an output is; training makes it
# smaller. The **cross-entropy** of a pixel is minus the natural logarithm of the
# share that softmax gives to the true class. If that share is 1, the loss is 0.
#
# Here are the logits of 2 × 2 pixels with three classes, as logarithms of whole
# numbers: softmax takes them back and divides by their sum.
#
# | logits | true class |
# | --- | --- |
# | ln 2, ln 1, ln 1 | 0 |
# | ln 1, ln 1, ln 2 | 1 |
# | ln 3, ln 4, ln 1 | 2 |
# | ln 1, ln 2, ln 1 | void |
#
# %% [markdown]
# ### Predict, then run
#
# Find the share of the true class for the first three pixels, and their losses, in
# units of ln 2. Take the mean over the three, and the mean over all four, where
# void adds 0.

# %%
import numpy as np

tiny_logits = np.log([[[2, 1, 1], [1, 1, 2]], [[3, 4, 1], [1, 2, 1]]])
tiny_labels = np.array([[0, 1], [2, 255]])


def pixel_losses(logits, labels):
    """Return the cross-entropy of each pixel, and nan where it is void."""
    losses = np.full(labels.shape, np.nan)
    for i, j in np.argwhere(labels != 255):
        powers = np.exp(logits[i, j])
        losses[i, j] = -np.log(powers[labels[i, j]] / powers.sum())
    return losses


tiny_losses = pixel_losses(tiny_logits, tiny_labels) / np.log(2)
plotting.show_grids(
    [tiny_losses],
    ["losses"],
    alt="A grid of 2 × 2: losses 1, 2, 3 in units of ln 2; void is empty.",
)

# %% [markdown]
# The shares are 1/2, 1/4 and 1/8, so the losses are 1, 2 and 3. The mean over the
# valid pixels is 2, the mean over all is 1.5, and the sum is 6.
#
# Keras can compute both means. With `ignore_class` it leaves void out of the sum
# and of the count. A sample weight of 0 takes a pixel out of the sum alone. The
# course's loss, `training.void_loss`, is the first.

# %%
from fcnlib import training

CrossEntropy = keras.losses.SparseCategoricalCrossentropy
known = tiny_labels != 255
filled = np.where(known, tiny_labels, 0)
weighing = CrossEntropy(from_logits=True)
means_in_ln2 = [
    CrossEntropy(from_logits=True, ignore_class=255)(tiny_labels, tiny_logits),
    training.void_loss()(tiny_labels, tiny_logits),
    weighing(filled, tiny_logits, sample_weight=known),
] / np.log(2)

over_valid = np.nanmean(tiny_losses)
over_all = np.nansum(tiny_losses) / tiny_losses.size
np.testing.assert_allclose([over_valid, over_all], [2, 1.5])
np.testing.assert_allclose(means_in_ln2, [2, 2, 1.5], rtol=1e-5)

# %% [markdown]
# Which mean is right? The next cell pads the four pixels with void, as a small
# picture is padded among large ones.

# %%
padded_labels = np.pad(tiny_labels, (0, 2), constant_values=255)  # (4, 4)
padded_logits = np.pad(tiny_logits, ((0, 2), (0, 2), (0, 0)))  # (4, 4, 3)
padded_losses = pixel_losses(padded_logits, padded_labels) / np.log(2)
padded_over_all = np.nansum(padded_losses) / padded_losses.size

np.testing.assert_allclose(np.nanmean(padded_losses), 2)
np.testing.assert_allclose(padded_over_all, 1.5 / 4)
[
    round(float(mean), 3)
    for mean in (np.nanmean(padded_losses), padded_over_all)
]

# %% [markdown]
# Over the valid pixels it stays 2. Over all, it falls to a quarter, and with it
# what is learned from this picture. So we take the first.

# %% [markdown]
# ## What is one step?
#
# The gradient of a loss says how fast it grows when a parameter grows. An
# **optimizer** is the rule that turns gradients into new parameters. The plainest,
# stochastic gradient descent (SGD), subtracts the gradient times one number. This
# number is called the **learning rate**, and says how far a step goes.
#
# How long a step is also depends on the loss. The authors' published code takes
# the sum over the pixels of a picture, with the rate 10⁻¹⁰ for FCN-32s. The
# gradient of a sum is that of the mean times the number of pixels. So for
# 500 × 375 pixels, the same step with a mean needs 187,500 times that rate.

# %% [markdown]
# ### Predict, then run
#
# A network with one parameter, w, has the loss w², so its gradient is 2w. It
# starts at w = 1. Where is it after three steps with the learning rates 1/4, 1,
# and 3/2?

# %%
from fractions import Fraction


def descend(learning_rate, steps):
    """Follow the gradient of w² from 1, and return all places."""
    places = [Fraction(1)]
    for _ in range(steps):
        gradient = 2 * places[-1]
        places.append(places[-1] - learning_rate * gradient)
    return places


paths = [descend(Fraction(*rate), 3) for rate in ((1, 4), (1, 1), (3, 2))]
rate_for_sum = Fraction(1, 10**10)
rate_for_mean = rate_for_sum * 500 * 375

assert rate_for_mean == 187_500 * rate_for_sum
for path in paths:
    print(*path)

# %% [markdown]
# The first path halves w at each step. The second jumps to and fro forever. The
# third moves away: steps that are too long make the loss grow. With a sum, so does
# a usual rate: one user's loss became nan with 10⁻⁴ (wkentaro/pytorch-fcn issue
# 17). With 10⁻¹⁰ and a mean, each step is 187,500 times too short.

# %% [markdown]
# ### Exercise: a rate for a sum
#
# A program trains by SGD with the rate 0.1. Its loss is the mean over the valid
# pixels of 2 pictures of 10 × 15 pixels; 50 of all these pixels are void. Someone
# replaces the mean by the sum. Set `summed_rate` to the learning rate, one number,
# with which each step stays what it was. For one picture of 2 × 2 pixels, one of
# them void, and the rate 0.6, it would be 0.2.
#
# <details><summary>Hint 1</summary>
#
# Which of the two losses is larger, and how many times?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# In the example, the sum is 3 times the mean, and so is its gradient.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# A step is the rate times the gradient. If one factor grows, the other must
# shrink. How many pixels have a class?
#
# </details>

# %% points=1
# solution
summed_rate = 0.1 / (2 * 10 * 15 - 50)

# %%
from fcnlib import checks

checks.summed_rate(summed_rate)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many multiply, because the authors' rate had to be
# multiplied. Ask which loss is larger. Others forget void, or count one picture:
# ask what the mean was taken over.

# %% [markdown]
# ## Which optimizer, which rate, which schedule?
#
# For experiments we need a network that trains in seconds.

# %%
import os

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
SIZE, NUM_SCENES, BATCH_SIZE = (64, 320, 8) if QUICK else (128, 1500, 16)
EPOCHS = 6 if QUICK else 7


def small_network(seed):
    """Build a network of 24 thousand parameters; the seed fixes the first."""
    keras.utils.set_random_seed(seed)
    options = {"padding": "same", "activation": "relu"}
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Conv2D(16, 3, **options),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, **options),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, **options),
        keras.layers.Conv2D(5, 1),  # logits at stride 4
        keras.layers.UpSampling2D(4, interpolation="bilinear"),
    ]
    return keras.Sequential(layers)


# %% [markdown]
# It needs scenes to learn from, and others for its score. Each step takes a batch,
# here 16 scenes, and its mean loss. `GradientTape` notes what is computed, and
# finds the gradients.

# %%
import tensorflow as tf

from fcnlib import datasets

few_scenes, other_scenes = (
    pasture.draw_scenes(datasets.PASTURE_SPLITS[split][:count], 64, 64)
    for split, count in (("train", 240), ("val", 60))
)


def find_gradients(network, images, labels):
    """Return the gradients of the mean loss of a batch."""
    with tf.GradientTape() as tape:
        logits = network(images, training=True)
        loss = training.void_loss()(labels, logits)
    return tape.gradient(loss, network.trainable_weights)


assert round(small_network(seed=0).count_params(), -3) == 24_000
[scenes[0].shape for scenes in (few_scenes, other_scenes)]

# %% [markdown]
# Now one step, taken three times: by hand, by a Keras optimizer, and by `fit`.

# %%
by_hand, by_optimizer, by_fit = (small_network(seed=0) for _ in range(3))
first_batch = [scenes[:16] for scenes in few_scenes]
gradients = find_gradients(by_hand, *first_batch)
for weight, gradient in zip(by_hand.trainable_weights, gradients, strict=True):
    weight.assign(weight - 0.1 * gradient)
keras.optimizers.SGD(0.1).apply(gradients, by_optimizer.trainable_weights)
by_fit.compile(
    keras.optimizers.SGD(0.1), training.void_loss(), run_eagerly=True
)
by_fit.fit(*first_batch, batch_size=16, verbose=0)

for network in (by_optimizer, by_fit):
    for one, same in zip(network.weights, by_hand.weights, strict=True):
        np.testing.assert_allclose(one, same, atol=1e-5)

# %% [markdown]
# All three have the same parameters now. An **epoch** is one pass over all training
# scenes, in random order, batch by batch. Each run below has 3 epochs of 240
# scenes. Its score is the loss on 60 other scenes. The seed fixes the first
# parameters and the order.


# %%
import functools

SHARED = small_network(seed=0)  # compiled once, with new weights in each run
compiled_gradients = tf.function(
    functools.partial(find_gradients, SHARED), reduce_retracing=True
)


def train_small(optimizer, batch_size=16, seed=0):
    """Train a small network by hand; return its loss on the other scenes."""
    SHARED.set_weights(small_network(seed).get_weights())
    images, labels = few_scenes
    random = np.random.default_rng(seed)
    for _ in range(3):
        order = random.permutation(len(images))
        for start in range(0, len(images), batch_size):
            chosen = order[start : start + batch_size]
            gradients = compiled_gradients(images[chosen], labels[chosen])
            optimizer.apply(gradients, SHARED.trainable_weights)
    return float(
        training.void_loss()(other_scenes[1], SHARED(other_scenes[0]))
    )


# %% [markdown]
# First, the optimizer. Adam divides each gradient by its usual size, so that all
# parameters take steps of similar length. Each optimizer gets three rates, and
# each rate two seeds.

# %% tags=["nbval-ignore-output"]
RATES = {"Adam": (0.001, 0.01, 0.1), "SGD": (0.01, 0.1, 1.0)}


def try_rates(name, seed):
    """Train with each learning rate of an optimizer."""
    optimizer = getattr(keras.optimizers, name)
    return [train_small(optimizer(rate), seed=seed) for rate in RATES[name]]


pairs = [(name, seed) for name in RATES for seed in (0, 1)]
rate_losses = np.array([try_rates(*pair) for pair in pairs])  # (4, 3)
best_rates = rate_losses.reshape(2, 2, 3).mean(axis=1).argmin(axis=1)
plotting.show_curves(
    {
        f"{name}, seed {seed}": ([str(rate) for rate in RATES[name]], losses)
        for (name, seed), losses in zip(pairs, rate_losses, strict=True)
    },
    "Loss over learning rate, two seeds each. Adam at 0.01 is lowest.",
    x_label="learning rate",
    y_label="loss",
)
assert list(best_rates) == [1, 1]  # the middle one

# %% [markdown]
# On the mean of two seeds, each optimizer has its valley. To the left, steps are too
# short for this budget; to the right they overshoot. The valleys lie at different
# rates, so optimizers must not be compared at one rate. And two seeds of one setting
# differ too: one seed is an anecdote.
#
# A **schedule** is a rule that gives each step a learning rate of its own. Ours
# rises over the first tenth of the steps. Then it falls along half a wave of a
# cosine, so that the last steps are short.
#
# ### Predict, then run
#
# Is the mean of all rates about a quarter, a half, or three quarters of the
# highest?


# %%
def scheduled_rate(step, steps, highest):
    """Return the learning rate of one step: a rise, then a cosine to 0."""
    warmup = steps // 10
    if step < warmup:
        return highest * step / warmup
    done = (step - warmup) / (steps - warmup)
    return highest * (1 + np.cos(np.pi * done)) / 2


def keras_schedule(steps, highest):
    warmup = steps // 10
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=highest, warmup_steps=warmup
    )


rates = np.array([scheduled_rate(step, 45, 0.02) for step in range(45)])
by_keras = [keras_schedule(45, 0.02)(step) for step in range(45)]
np.testing.assert_allclose(rates, by_keras, atol=1e-8)
round(float(rates.mean()) / 0.02, 3)

# %% [markdown]
# A half. The next cell compares schedules with constant rates, by Adam and two
# seeds.

# %% tags=["nbval-ignore-output"]
schedules = {
    "constant 0.02": 0.02,
    "scheduled 0.02": keras_schedule(45, 0.02),
    "scheduled 0.01": keras_schedule(45, 0.01),
    "constant 0.005": 0.005,
}


def try_schedule(rate):
    """Train with Adam and two seeds."""
    adam = keras.optimizers.Adam
    return [train_small(adam(rate), seed=seed) for seed in (0, 1)]


schedule_losses = {name: try_schedule(schedules[name]) for name in schedules}
high, high_scheduled, lower_scheduled, low = (
    np.mean(losses) for losses in schedule_losses.values()
)
assert high_scheduled < high - 0.05
assert low < min(high_scheduled, lower_scheduled + 0.05)
for name, losses in schedule_losses.items():
    print(name, *(f"{loss:.2f}" for loss in losses))

# %% [markdown]
# At 0.02 the schedule helps much; against a lower constant rate we see no gain
# here. It forgives a rate that is too high. Last, the batch size, under one budget.
#
# ### Predict, then run
#
# Each run sees 240 scenes three times, at the rate 0.005. How many steps does it
# take with batches of 8, of 16, and of 60? Which learns most? A guess is fine.

# %% tags=["nbval-ignore-output"]
BATCH_SIZES = (8, 16, 60)
batch_losses = {
    size: [
        train_small(keras.optimizers.Adam(0.005), size, seed)
        for seed in (0, 1)
    ]
    for size in BATCH_SIZES
}

assert max(batch_losses[8]) < min(batch_losses[60])
for size, losses in batch_losses.items():
    seeds = ", ".join(f"{loss:.2f}" for loss in losses)
    print(f"batches of {size}: {720 // size} steps, loss {seeds}")

# %% [markdown]
# Small batches take more steps, and here that wins. This holds for one rate and one
# budget alone.
#
# `training.fit` puts the pieces together: the loss over valid pixels, Adam with
# weight decay (a pull of all weights toward 0), this schedule, and gradients cut to
# length 1 if they are longer.

# %% [markdown]
# ## One draw for image and labels
#
# A flipped horse is a horse. **Augmentation** is training on copies that were
# changed at random. Image and label map must be moved by the same draw. What comes
# in from outside the picture has no truth: it is void.


# %%
def flip_and_crop(image, labels, seed, margin=40):
    """Mirror a scene or not, and move it, by one draw for both."""
    random = np.random.default_rng(seed)
    flip = random.choice([-1, 1])
    top, left = random.integers(0, 2 * margin, size=2)
    height, width = labels.shape
    window = np.s_[top : top + height, left : left + width]
    wide_image = np.pad(image[:, ::flip], [[margin], [margin], [0]])
    wide_labels = np.pad(labels[:, ::flip], margin, constant_values=255)
    return wide_image[window], wide_labels[window]


moved_image, moved_labels = flip_and_crop(image, truth, seed=1)
_, other_draw = flip_and_crop(image, truth, seed=2)
plotting.show_images(
    [image, moved_image, moved_labels, other_draw],
    ["picture", "moved", "its labels", "another draw"],
    alt="A pasture, the same mirrored and moved, its label map moved with it,"
    " and its label map moved by another draw, which does not fit.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# The third panel fits the second, the fourth does not, and no error is raised.
# `datasets.batches(..., augment=True)` also zooms, turns, and changes colors. To
# check it, we hand it a label map as its own picture. If both move together, a
# class keeps one color, but for the borders, where colors mix.

# %% tags=["nbval-ignore-output"]
painted = plotting.colorize(truth)
augmented = datasets.batches([(painted, truth)], truth.shape, 1, augment=True)
moved_painted, moved_truth = (part[0] for part in next(iter(augmented)))


def share_of_one_color(image, labels):
    """Return the share of valid pixels in the usual color of their class."""
    image, labels = np.array(image), np.array(labels)
    right = [
        (image[mask] == np.median(image[mask], axis=0)).all(axis=-1).sum()
        for mask in (labels == number for number in range(5))
    ]
    return sum(right) / (labels != 255).sum()


one_draw, two_draws = (
    share_of_one_color(moved_painted, labels)
    for labels in (moved_truth, other_draw)
)
assert one_draw > 0.85 and two_draws < 0.75
print(f"one draw {one_draw:.2f}, two draws {two_draws:.2f}")

# %% [markdown]
# ## First, overfit one batch
#
# Before a long training, let the network learn one batch by heart, here in 120
# steps. If the loss does not fall from about ln 5, that of equal shares, to a fifth
# of it, a long training will not work either. To show what this proves, one of our
# four label maps is mirrored, and its image is not.
#
# ### Predict, then run
#
# Will the loss still fall? (Each number is the mean of 20 steps.)

# %% tags=["nbval-ignore-output"]
from fcnlib import metrics


def count_pixels(network, images, labels):
    """Count a network's pixels in one confusion matrix."""
    predictions = models.predict_labels(network, images)
    return metrics.confusion_matrix(labels, predictions, 5)


one_images, right_labels = (scenes[4:8] for scenes in few_scenes)
one_labels = np.concatenate([right_labels[:3], right_labels[3:, :, ::-1]])
one_batch = tf.data.Dataset.from_tensors((one_images, one_labels))
keras.utils.set_random_seed(0)
memory = models.fcn8s(num_classes=5)
fitted = training.fit(memory, one_batch.repeat(20), epochs=6, verbose=0)
print(*(f"{loss:.2f}" for loss in fitted.history["loss"]))

# %% tags=["nbval-ignore-output"]
learned = models.predict_labels(memory, one_images[3])
own_counts = count_pixels(memory, one_images, one_labels)
other_counts = count_pixels(memory, *other_scenes)
memory_scores = metrics.mean_iou(own_counts), metrics.mean_iou(other_counts)
plotting.show_images(
    [one_images[3], one_labels[3], learned],
    ["picture", "wrong labels", "learned"],
    alt="A scene, its mirrored label map, and the prediction: it resembles the"
    " mirrored map, with its rails melted into blobs.",
    class_names=pasture.CLASSES,
)
assert fitted.history["loss"][-1] < np.log(5) / 5 and memory_scores[0] > 0.7
assert memory_scores[1] < memory_scores[0] - 0.3
assert metrics.iou(own_counts).argmin() == pasture.CLASSES.index("fence")
print("mean IoU {:.2f}, on other scenes {:.2f}".format(*memory_scores))

# %% [markdown]
# It does. The loss stalls above 0: the schedule has brought the rate to 0, and the
# worst class, the fence, is thinner than the 8 pixels between two scores. The
# network learned the mirrored map too. So the test does not prove that the labels
# are right. It proves that labels reach the loss, and gradients the parameters.
#
# On other scenes the score is far lower. **Overfitting** is learning the training
# pictures so closely that others are not learned.

# %% [markdown]
# ## Three networks, one budget
#
# So training scenes cannot say how good a network is. The **validation split** is
# the set of pictures that is scored after every epoch and makes the choices. The
# **test split** is the set that is scored once, when nothing is left to choose. The
# best of many scores was also the luckiest, so a score that chose is not fair.

# %%
train_scenes, val_scenes, test_scenes = (
    pasture.draw_scenes(datasets.PASTURE_SPLITS[name][:count], SIZE, SIZE)
    for name, count in (("train", NUM_SCENES), ("val", 40), ("test", 200))
)
train_pairs, val_pairs = (
    list(zip(*scenes, strict=True)) for scenes in (train_scenes, val_scenes)
)
VALIDATION = datasets.batches(val_pairs, (SIZE, SIZE), BATCH_SIZE).cache()
splits = [set(seeds) for seeds in datasets.PASTURE_SPLITS.values()]

assert len(set().union(*splits)) == sum(len(split) for split in splits)
len(train_pairs), len(val_pairs), len(test_scenes[0])

# %% [markdown]
# No scene is in two splits. All networks get the same scenes, epochs, recipe and
# seed; only the skip connections differ. After each epoch, `ModelCheckpoint` saves
# the weights if the mean IoU on the validation split is the best so far. In the end
# the best come back.


# %%
import tempfile

from IPython.display import clear_output


def train(build, scenes, epochs=EPOCHS, before=None):
    """Train a new network; return it as of its best epoch, and its history."""
    keras.utils.set_random_seed(0)
    network = build(num_classes=5)
    if before is not None:
        models.copy_weights(before, network)
    path = f"{tempfile.mkdtemp()}/best.weights.h5"
    best = {"monitor": "val_mean_iou", "mode": "max", "save_best_only": True}
    keep_best = keras.callbacks.ModelCheckpoint(
        path, save_weights_only=True, **best
    )
    options = {"validation": VALIDATION, "callbacks": [keep_best]}
    history = training.fit(network, scenes, epochs, **options).history
    network.load_weights(path)
    clear_output(wait=True)  # the bars go when the next output comes
    return network, history


# %% [markdown]
# ### Predict, then run
#
# Write down in which order the final validation losses of the three networks come,
# and which class all of them find worst.


# %% tags=["nbval-ignore-output"]
def draw_batches():
    """Return the training scenes, augmented by the same draws in each call."""
    size = (SIZE, SIZE)
    return datasets.batches(train_pairs, size, BATCH_SIZE, augment=True)


builds = (models.fcn32s, models.fcn16s, models.fcn8s)
trained = {build.__name__: train(build, draw_batches()) for build in builds}
curves = {
    f"{name}, {title}": (np.arange(1, EPOCHS + 1), history[key])
    for name, (_, history) in trained.items()
    for title, key in (("training", "loss"), ("validation", "val_loss"))
}
plotting.show_curves(
    curves,
    alt="The losses of three networks, on training and validation scenes, all"
    " fall. FCN-32s is highest in the end, FCN-8s lowest.",
    x_label="epoch",
    y_label="loss",
)
ends = np.array([losses[-1] for _, losses in curves.values()]).reshape(3, 2)
assert (np.diff(ends, axis=0) < 0).all() and (np.diff(ends) < 0).all()

# %% [markdown]
# Each skip connection lowers the loss. Validation losses end below training losses:
# training scenes are augmented, and their losses averaged while the network still
# learns. Now nothing is left to choose, and each network is scored on the test
# split.

# %% tags=["nbval-ignore-output"]
confusions = {
    name: count_pixels(network, *test_scenes)
    for name, (network, _) in trained.items()
}
class_ious = np.array([metrics.iou(counts) for counts in confusions.values()])
mean_ious = class_ious.mean(axis=1)
best = [np.argmax(history["val_mean_iou"]) for _, history in trained.values()]

assert mean_ious[0] < mean_ious[1] < mean_ious[2]
assert (class_ious.argmin(axis=1) == pasture.CLASSES.index("fence")).all()
print("best epochs, from 1:", *(epoch + 1 for epoch in best))
print(f"{'test':8}", *(f"{name:>6}" for name in pasture.CLASSES), "  mean")
for name, row in zip(confusions, class_ious, strict=True):
    print(f"{name:8}", *(f"{value:6.2f}" for value in [*row, row.mean()]))

# %% [markdown]
# The order is that of lesson 4, and the fence is worst. Where the best epoch was the
# last, the choice changed nothing. But this is one seed. The course stores a longer
# comparison, made by `python -m fcnlib compare`: 1,500 scenes of 128 × 128, 7
# epochs, three seeds. The cell computes one mean and its spread, the sample standard
# deviation, by hand.

# %%
import json
import pathlib

from IPython.display import Markdown

from fcnlib import experiments

folders = pathlib.Path("lesson").absolute().parents
candidates = [folder / "results/compare.json" for folder in folders]
found = [path for path in candidates if path.is_file()]
stored = json.loads(found[0].read_text()) if found else {"runs": []}


def stored_scores(name):
    """Return the IoU of each class, and their mean, of each stored run."""
    runs = [run for run in stored["runs"] if run["network"] == name]
    return np.array([[*run["iou"].values(), run["mean_iou"]] for run in runs])


summary = "The course's file results/compare.json was not found."
if found:
    means = stored_scores("fcn8s")[:, 5]
    spread = np.sqrt(np.sum((means - means.mean()) ** 2) / (len(means) - 1))
    summary = experiments.summarize(stored)
    assert f"| {means.mean():.3f} ({spread:.3f}) |" in summary
Markdown(summary)

# %% [markdown]
# In brackets stands the spread. Of the first three rows, every run of one is above
# every run of the row before: the order does not depend on the seed.
#
# The paper found the same order on Pascal VOC (Table 2): mean IoU 59.4, 62.4 and
# 62.7, so +3.0 and +0.3 points. Why do ours gain more? The next cell measures how
# many valid pixels lie within 16 pixels, half a cell of FCN-32s, of a border: at
# 128 × 128, and drawn at 512 × 512, about as large as VOC's pictures.

# %%
import cv2


def share_near_borders(side, distance=16):
    """Return the share of valid pixels near another class, in ten scenes."""
    _, label_maps = pasture.draw_scenes(range(10), side, side)
    window = np.ones((2 * distance + 1,) * 2, dtype="uint8")
    known = label_maps < 255
    highest = [cv2.dilate(labels, window) for labels in label_maps * known]
    lowest = [cv2.erode(labels, window) for labels in label_maps]
    return np.mean(np.not_equal(highest, lowest)[known])


near_shares = [share_near_borders(side) for side in (128, 512)]
if found:
    of_32s, of_16s, of_8s = (stored_scores(name)[:, 5] for name in trained)
    assert of_32s.max() < of_16s.min() and of_16s.max() < of_8s.min()
    assert 0.10 < of_16s.mean() - of_32s.mean() < 0.11
    assert 0.05 < of_8s.mean() - of_16s.mean() < 0.06

assert near_shares[0] > 0.75 and near_shares[1] < 0.5
print("near a border: {:.0%} and {:.0%}".format(*near_shares))

# %% [markdown]
# At our size most of a scene lies so near a border, drawn as large as VOC's, less
# than half. That may be why our skips gain more: 10 and 5 points in the stored runs.

# %% [markdown]
# ### Exercise: find the mistake
#
# This program trains on scenes that hold void, 255. `images, labels`,
# `val_images, val_labels` and `test_images, test_labels` are its three splits.
# `flip` mirrors a whole array from left to right or leaves it, drawn anew in each
# call. `mean_iou` leaves void out. The model returns logits.
#
# ```python
# loss = SparseCategoricalCrossentropy(from_logits=True)    # line 1
# model.compile(AdamW(2e-3), loss)                          # line 2
# best = 0                                                  # line 3
# for epoch in range(7):                                    # line 4
#     model.fit(flip(images), flip(labels), batch_size=16)  # line 5
#     score = mean_iou(model, test_images, test_labels)     # line 6
#     if score > best:                                      # line 7
#         best = score                                      # line 8
#         model.save_weights("best.weights.h5")             # line 9
# model.load_weights("best.weights.h5")                     # line 10
# print(mean_iou(model, test_images, test_labels))          # line 11
# ```
#
# Three lines are faulty. Each can be mended in that line alone, even by leaving
# something out. Set `faulty_training_lines` to a list of their numbers, as in `[2,
# 3]`.
#
# <details><summary>Hint 1</summary>
#
# One fault concerns void, one a random draw, and one a split.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# What does the loss do with a label of 255, if nobody tells it? How many draws
# move a scene and its labels? Which split may choose an epoch?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Compare with `training.void_loss`, with `flip_and_crop`, and with the words on
# the two splits.
#
# </details>

# %% points=2
# solution
faulty_training_lines = [1, 5, 6]

# %%
checks.faulty_training_lines(faulty_training_lines)

# %% [markdown] tags=["instructor"]
# **For instructors.** Line 11 is the most frequent false alarm: the test split is
# allowed there. Ask which number would change if the test scenes were others: the
# weights, or only the report?

# %% [markdown]
# ## In stages, or at once?
#
# The authors trained FCN-32s first, started FCN-16s from its weights, and FCN-8s
# from those. **Staged training** is such a training in parts, in which each network
# starts from the one before. `models.copy_weights` copies all layers of the same
# name; the new scores of a skip start at zero.
#
# ### Predict, then run
#
# The three stages split the 6 epochs evenly. In how many of them does the skip from
# pool3 learn? Will FCN-8s get further in stages or at once?

# %% tags=["nbval-ignore-output"]
shares = [len(part) for part in np.array_split(range(EPOCHS), 3)]
assert shares[2] == 2
stage_32s, _ = train(models.fcn32s, draw_batches(), shares[0])
stage_16s, _ = train(models.fcn16s, draw_batches(), shares[1], stage_32s)
stage_8s, _ = train(models.fcn8s, draw_batches(), shares[2], stage_16s)
staged_iou = metrics.mean_iou(count_pixels(stage_8s, *test_scenes))

if found:
    at_once, in_stages = (
        stored_scores(name)[:, 5] for name in ("fcn8s", "fcn8s staged")
    )
    assert in_stages.max() < at_once.min()
print(f"staged {staged_iou:.2f}, at once {mean_ious[2]:.2f}")

# %% [markdown]
# In all stored runs, at once is better. One likely reason: in stages, the skip from
# pool3 learns in 2 of 6 epochs. The authors started from VGG16's weights and
# trained for days. Their published networks, staged and at once, score 65.5 and
# 65.4. For the latter they multiplied pool4 by 0.01 and pool3 by 0.0001. Our pools
# are normalized: in the row "scaled skips", the same factors almost silence them.

# %% [markdown]
# ## What if a class is rare?
#
# **Class imbalance** is the state in which some classes have many more pixels than
# others. The mean loss counts pixels, so a network gains little from a rare class.
# A remedy is a weight for each class: the median of all shares divided by its own.

# %% tags=["nbval-ignore-output"]
counts = np.bincount(train_scenes[1].ravel(), minlength=256)[:5]
class_weights = np.median(counts) / counts

np.testing.assert_allclose(
    class_weights, experiments.class_weights(train_scenes[1], 5)
)
for name, *row in zip(
    pasture.CLASSES, counts / counts.sum(), class_weights, strict=True
):
    print("{}: share {:.2f}, weight {:.1f}".format(name, *row))

# %% [markdown]
# ### Predict, then run
#
# With these weights, more pixels of the fence will be found. What happens to the
# share of the pixels called fence that are right, and to the IoU of the grass?

# %% tags=["nbval-ignore-output"]
weighed_batches = experiments.weigh_pixels(draw_batches(), class_weights)
weighed, _ = train(models.fcn8s, weighed_batches)


def show_classes(title, confusion):
    """Print for each class what was found, what is right, and its IoU."""
    print(f"{title:8}", *(f"{name:>6}" for name in pasture.CLASSES))
    right = np.diag(confusion) / confusion.sum(axis=0)
    rows = metrics.class_accuracy(confusion), right, metrics.iou(confusion)
    for name, row in zip(("found", "right", "IoU"), rows, strict=True):
        print(f"{name:8}", *(f"{value:6.2f}" for value in row))
    return np.array(rows)[:, 3]


plain_fence = show_classes("plain", confusions["fcn8s"])
weighed_counts = count_pixels(weighed, *test_scenes)
gain = show_classes("weighed", weighed_counts) - plain_fence
wrong = np.delete(weighed_counts[:, 3], 3)  # sky, grass, tree, horse
print("false fence: sky, grass, tree, horse", *(wrong / wrong.sum()).round(2))
assert gain[0] > 0.1 and gain[1] < 0
assert wrong[1] > wrong.sum() / 2 and wrong[3] > wrong[0] + wrong[2]
if found:
    change = stored_scores("fcn8s weighted classes") - stored_scores("fcn8s")
    assert (change[:, [1, 3, 5]] < 0).all()  # grass, fence, mean

# %% [markdown]
# Much more of the fence is found (its recall), and less of what is called fence is
# right (its precision): a missed fence is now dearer than a false one. Most false
# ones are grass, then horse. In a short training that can help the IoU of the
# fence. In the stored runs, the IoU of fence and grass fell with every seed, and
# the mean too.

# %% [markdown]
# ### Exercise: the loss with void and weights
#
# Return the loss of a batch as one number, with NumPy alone. `logits` is an (N, H,
# W, C) array, `labels` (N, H, W) bytes with 255 for void, `class_weights` (C,).
# The cross-entropy of each valid pixel is multiplied by the weight of its true
# class. Return the sum of these products, divided by the number of valid pixels of
# the whole batch. At least one pixel is valid.
#
# Logits can be 1,000, and e¹⁰⁰⁰ is too large for a computer. It helps that softmax
# stays the same if one number is subtracted from all logits of a pixel.
#
# For `tiny_logits[None]`, `tiny_labels[None]` and the weights `[1, 2, 3]` it is
# (1 · 1 + 2 · 2 + 3 · 3) / 3 · ln 2 = 3.235.
#
# <details><summary>Hint 1</summary>
#
# `labels != 255` picks the valid pixels: `logits[labels != 255]` is (P, C), and
# `labels[labels != 255]` is (P,). All else happens with these P pixels.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The logarithm of a share is a logit minus the logarithm of the sum of all
# powers. If you first subtract the largest logit of each pixel, no power is above
# 1, and the sum is never 0.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `table[np.arange(len(classes)), classes]` takes one number from each row.
# `class_weights[classes]` gives each pixel its weight, if `class_weights` is an
# array.
#
# </details>


# %% points=3
def weighted_void_loss(logits, labels, class_weights):
    # solution
    valid = labels != 255
    kept, classes = logits[valid], labels[valid]
    lowered = kept - kept.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(lowered).sum(axis=-1))
    truths = lowered[np.arange(len(classes)), classes]
    weights = np.asarray(class_weights)[classes]
    return (weights * (log_sums - truths)).sum() / valid.sum()


# %%
checks.weighted_void_loss(weighted_void_loss)

# %% [markdown] tags=["instructor"]
# **For instructors.** Two habits show: the mean over all pixels, and the mean of
# the pictures' means. Ask for the loss of a batch in which one picture has a single
# valid pixel. Some divide by the sum of the weights, as PyTorch does: then a batch
# of one class has the same loss with any weights.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: training is many small steps
# downhill on one number, so look first at what that number counts. The trainings take
# minutes: start the notebook, then discuss the predictions while it runs.
#
# Minutes to read: opening 2, loss 5, one step 4, optimizer and rate 10, one draw 3, one
# batch 3, three networks 11, stages 2, rare classes 5.
#
# Misconceptions, and the question that brings each to light:
#
# - A loss near 0 proves that the labels are right. Ask: which labels did the
#   mirrored scene have?
# - One run decides between two settings. Ask: how far apart are two seeds of one?
# - The test split may choose, if nobody trains on it. Ask: what does the best of many
#   lucky scores tell?
# - Weights for rare classes cost nothing. Ask: which pixels are newly called fence?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - losses: minus the logarithm of a share; void counts in neither sum nor number;
# - three steps: w is multiplied by one factor, 1 - 2 × rate, each time;
# - schedule: a straight rise and half a cosine wave both have half of the highest
#   rate as their mean;
# - batch size: pictures divided by the batch give the steps; any guess with a
#   reason;
# - one batch: the network can learn wrong labels by heart;
# - three networks: each skip lowers the loss, and the thinnest class is worst;
# - stages: the last skip learns only in the last stage;
# - weights: more is found, less of it is right, and the neighbors pay.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - computed a loss with void and a training step by hand, and found Keras in
#   agreement;
# - saw in small experiments how rate and batch size matter, that a schedule
#   forgives a rate that is too high, and how two seeds differ;
# - trained three networks under one budget, chose their best epochs on one split,
#   and scored them on another;
# - measured what class weights give to the fence, and what they take.
#
# All of this worked. The next lesson asks what to do when it does not.

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 4.3 has the recipe,
#   Table 2 the three networks.
# - D. Kingma, J. Ba (2015):
#   [Adam: A Method for Stochastic
#   Optimization](https://arxiv.org/abs/1412.6980).
# - I. Loshchilov, F. Hutter (2017):
#   [SGDR: Stochastic Gradient Descent with Warm
#   Restarts](https://arxiv.org/abs/1608.03983). The cosine schedule.
# - D. Eigen, R. Fergus (2015):
#   [Predicting Depth, Surface Normals and Semantic
#   Labels](https://arxiv.org/abs/1411.4734). Section 6.3.2 has a variant of the
#   weights by median frequency.
