# %% [markdown]
# # It does not work: why?
#
# You can build a network, train it and score it. Often it then learns nothing,
# or the wrong thing, and no error is raised. In the first figure, three programs
# hand one picture to one network, with the same weights.

# %%
import numpy as np

from fcnlib import models, pasture, patients, plotting


def predict(model, images):
    """Return the class with the largest score, at every pixel."""
    scores = model(images, training=False)  # (N, H, W, C)
    return np.argmax(scores, axis=-1).astype("uint8")


network = models.load_pretrained("pasture-fcn8s")
picture, _ = pasture.draw_scene(seed=6, height=64, width=64)
ada, bruno = patients.admit("Ada"), patients.admit("Bruno")
guesses = [predict(run.model, run.batches[0][0])[6] for run in (ada, bruno)]
plotting.show_images(
    [picture, predict(network, picture[None])[0], *guesses],
    ["picture", "lesson 4", "Ada", "Bruno"],
    alt="A horse behind a fence and three predictions. The program of lesson 4"
    " finds trees, horse and fence. Ada's finds hardly more than sky and"
    " grass, and Bruno's draws one tree about twice as large.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Ada's program and Bruno's differ from that of lesson 4 by one line each.
#
# After this lesson you can:
#
# - run six examinations on a network that does not work, in an order in which
#   each can be trusted;
# - tell nine mistakes apart by their evidence;
# - measure whether a cure cures.
#
# 50 minutes to read, 80 seconds to run on a laptop without a GPU.

# %% [markdown]
# ## The checklist
#
# A **symptom** is what the owner of a program sees and complains about. A
# **disease** is the one mistake in the program behind it. An **examination** is
# a measurement that comes out differently for different diseases. Many diseases
# share a symptom, so guessing is slow. This is our list of examinations:

# %% [markdown]
# | | what | question |
# | --- | --- | --- |
# | 1 | data | Which numbers enter the network, and which color comes first? |
# | 2 | labels | Which values are there, and which touch? Do borders lie on edges? |
# | 3 | loss at the start | Is it ln C, for C classes? |
# | 4 | one batch | How far does one step move the weights? |
# | 5 | one metric by hand | What does one confusion matrix say? |
# | 6 | pictures | What does the network draw? |
#
# The order matters: a loss means nothing if the labels are wrong, and a score
# means nothing if the network never learned. What an owner brings along, a
# complaint, a score or a picture, comes first. It is no evidence yet.

# %% [markdown]
# Eleven people wait, from Ada to Jo. Their names are invented. Their mistakes
# are not: those of the first ten stand in public threads or files, which we name
# after each diagnosis. Those ten have nine diseases among them:
#
# - in the data: preprocessing twice, red and blue swapped;
# - in the labels: interpolated labels, void as a class, flipped labels;
# - in the training: all weights zero, learning rate, softmax twice;
# - in the report: background score.
#
# Write down a diagnosis for each person before you read ours.

# %% [markdown]
# `patients.admit(name)` runs a person's program. It returns the `complaint`, the
# `model`, the `batches` of images and labels, the `history` of the training, and
# the scores that the person `reported`. `patients.treat(name)` runs the program
# again with one line mended, and adds both lines as `change`. Everything is in
# `fcnlib/patients.py`. Open that file after the diagnosis.

# %% [markdown]
# ## It worked in the lesson, and here it does not
#
# Ada and Bruno use weights that are known to be good. So we examine the data:
# their type, their range, and the mean color of the upper quarter of all
# pictures, which is mostly sky. The first row comes from a healthy program.

# %%
users = {"healthy": patients.treat("Ada"), "Ada": ada, "Bruno": bruno}

for name, run in users.items():
    images, _ = run.batches[0]  # (16, 64, 64, 3)
    sky = images[:, :16].mean(axis=(0, 1, 2))
    print(f"{name}: {run.complaint}")
    print(
        f"    {images.dtype}, from {images.min()} to {images.max()},", end=" "
    )
    print("sky {:.2f} {:.2f} {:.2f}".format(*sky))

# %% [markdown]
# The healthy program and Bruno's hand over bytes, and Ada's numbers from -1 to
# 1. Bruno's sky has the three numbers of the healthy sky, in reverse order.
#
# ### Predict, then run
#
# The first layer of the network computes `x / 127.5 - 1`. It turns black (0)
# into -1 and white (255) into 1. What does it make of Ada's black and white,
# which come as -1 and 1? Write down both numbers, then run the cell.

# %%
colors = network.get_layer("colors")
once = np.array(colors(np.array([0.0, 255.0])))
twice = np.array(colors(once))
hills = predict(ada.model, ada.batches[0][0])  # (16, 64, 64)

assert np.allclose(once, [-1, 1]) and 0.015 < np.ptp(twice) < 0.016
assert np.mean((hills == hills[0]).all(axis=0)) > 0.85
print("once", once.round(3), "twice", twice.round(3))

# %% [markdown]
# Black and white end less than 0.016 apart: to the network, every picture is
# black. So at over 85 % of the pixels, all of Ada's 16 maps name the same class.
#
# A trial cure is an examination too. We undo the suspected mistake in the data,
# leave the network alone, and count one metric by hand.


# %% tags=["nbval-ignore-output"]
from fcnlib import metrics


def count(model, batches):
    """Count the pixels of all batches in one confusion matrix."""
    num_classes = model.output_shape[-1]
    return sum(
        metrics.confusion_matrix(labels, predict(model, images), num_classes)
        for images, labels in batches
    )


trials = {
    "as it comes": lambda images: images,
    "stretched to 0..255": lambda images: 127.5 * (images + 1.0),
    "first color last": lambda images: images[..., ::-1],
}
tried = {}
for name, run in users.items():
    for title, change in trials.items():
        changed = [(change(images), labels) for images, labels in run.batches]
        tried[name, title] = metrics.mean_iou(count(run.model, changed))
        print(f"{name:8} {title:20} mean IoU {tried[name, title]:.2f}")
assert max(tried.values()) < tried["healthy", "as it comes"] + 0.01

# %% [markdown]
# One trial brings Ada's score to that of the healthy program, the other one
# Bruno's. And the healthy program gets worse by both. So Ada prepares the colors
# although the network does so itself. Bruno hands over blue first. Here are
# their cures: the line that was broken, the line that mends it, and the score
# before and after.


# %% tags=["nbval-ignore-output"]
def cure(name, batches=None):
    """Print the changed line, and return the mean IoU before and after."""
    runs = patients.admit(name), patients.treat(name)
    before, after = (
        metrics.mean_iou(count(run.model, batches or run.batches))
        for run in runs
    )
    print(f"{name}: mean IoU {before:.2f}, after the cure {after:.2f}")
    for sign, line in zip("-+", runs[1].change, strict=True):
        print(f"  {sign} {line}")
    return before, after


ada_scores, bruno_scores = cure("Ada"), cure("Bruno")

assert ada_scores[1] - ada_scores[0] > 0.4
assert bruno_scores[1] - bruno_scores[0] > 0.08

# %% [markdown]
# Ada's disease is known from Keras's own
# [FCN example](https://keras.io/examples/vision/fully_convolutional_network/),
# which prepares its test pictures a second time before it draws predictions.
# Bruno's is
# [in a course](https://github.com/udacity/sdc-issue-reports/issues/623) that
# trained on one order of colors and drove with the other: `cv2.imread` returns
# blue, green, red.

# %% [markdown]
# ## It learns, but not what it should
#
# Chloe, Dev and Eva train one small network: four convolutions, each with a
# batch normalization, a fifth for the scores, and a deconvolution. Each uses
# 320 scenes of 64 × 64 pixels, every second one flipped from left to right, for
# six epochs. A healthy program gets the same budget. Their label maps are
# stored at 40 × 40 pixels and enlarged.
#
# The cell trains all four, in about 20 seconds, and scores them on 64 unseen
# scenes with faultless labels (200 if `FCNLIB_PROFILE` says `full`). Loss,
# score and pictures are what the owners bring along. The data are fine this
# time: bytes, and red comes first. So the second examination follows, the
# labels.

# %% tags=["nbval-ignore-output"]
import os

QUICK = os.environ.get("FCNLIB_PROFILE", "quick") == "quick"
names = ("Chloe", "Dev", "Eva")
learners = {"healthy": patients.treat("Chloe")}
learners.update({name: patients.admit(name) for name in names})
unseen = [pasture.draw_scenes(range(64 if QUICK else 200), 64, 64)]

losses, scores = {}, {}
for name, run in learners.items():
    losses[name] = run.history["loss"][-1]
    scores[name] = metrics.mean_iou(count(run.model, unseen))
    print(f"{name}: {run.complaint}")
    print(f"    loss {losses[name]:.2f}, mean IoU {scores[name]:.2f}")

assert losses["Chloe"] < losses["healthy"] < losses["Dev"]
assert scores["healthy"] > max(scores["Dev"], scores["Eva"])

# %%
drawn = [predict(run.model, unseen[0][0]) for run in learners.values()]
panels = [part[number] for number in (3, 6) for part in unseen[0]]
panels += [maps[number] for number in (3, 6) for maps in drawn]
plotting.show_images(
    panels,
    2 * ["picture", "labels"] + 2 * ["healthy", *names],
    alt="Two scenes with horses, their labels, and four predictions of each."
    " Chloe's look like the healthy ones, Dev's have patches of sky under the"
    " horses, and Eva's horses are blobs without legs.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Dev and Eva can be told by their pictures. Chloe's look fair, and her score is
# near the healthy one. This disease is the hardest to see. It betrays itself in
# the labels only.
#
# ### Predict, then run
#
# Sky is 0, grass 1, tree 2, fence 3, horse 4. Around horses and fences lies a
# rim of void. We take the histogram of the labels. And we count how often sky
# touches grass, tree and horse, between neighbors in one row. In healthy labels,
# how often does sky touch a horse? Which class can come between sky and tree, if
# someone averages their numbers?


# %% tags=["nbval-ignore-output"]
def look_at_labels(run):
    """Return the percentage of each value, and how often sky touches what."""
    labels = np.concatenate([labels for _, labels in run.batches])
    low = np.minimum(labels[:, :, :-1], labels[:, :, 1:])
    high = np.maximum(labels[:, :, :-1], labels[:, :, 1:])
    touching = [np.sum((low == 0) & (high == other)) for other in (1, 2, 4)]
    shares = [np.mean(labels == value) for value in (0, 1, 2, 3, 4, 255)]
    return 100 * np.array(shares), np.array(touching)


looks = {name: look_at_labels(run) for name, run in learners.items()}
print("percent:      sky grass tree fence horse void   sky-grass -tree -horse")
for name, (shares, touching) in looks.items():
    print(f"{name:12} {shares.round(1)}  {touching}")
healthy, chloe, dev, eva = looks.values()
assert np.isclose(chloe[0].sum(), 100) and np.array_equal(eva[0], healthy[0])
assert healthy[1][2] == 0 and dev[1][2] > 30_000 and dev[0][5] == 0
assert 1.8 < chloe[0][5] / healthy[0][5] < 2.2
assert chloe[1][0] > 10 * healthy[1][0] and chloe[1][1] < healthy[1][1] / 9

# %% [markdown]
# In healthy labels sky never touches a horse. In Dev's it does over 30,000
# times, and he has no void: one line of his gives void the number 0, and 0 is
# sky.
#
# Between sky and tree, the average of 0 and 2 is 1. In Chloe's labels grass
# touches sky over ten times as often, more than 8 of 9 contacts of sky and tree
# are gone, and void has doubled. She enlarges her label maps as if they were
# pictures, bilinearly. Where void, 255, was averaged, other values came out. A
# line that makes void of all that is no class has hidden them.

# %% [markdown]
# Eva's histogram is the healthy one. Her values are right; their places can be
# wrong: flipped, or the labels of another picture. So we hold labels against
# pictures. A toy first: one picture of 3 × 6 pixels, its label map, and the
# label map flipped.

# %%
tiny_picture = np.tile([20, 20, 90, 90, 90, 90], (3, 1))
tiny_labels = np.tile([0, 0, 4, 4, 4, 4], (3, 1))


def border_fit(gray, labels):
    """Return how much the picture changes at borders, beyond elsewhere."""
    edges = np.abs(np.diff(gray.astype("float64"), axis=1))
    borders = labels[:, 1:] != labels[:, :-1]  # (H, W - 1), as the edges
    return edges[borders].mean() - edges[~borders].mean()


flipped = tiny_labels[:, ::-1]
print(border_fit(tiny_picture, tiny_labels), border_fit(tiny_picture, flipped))
plotting.show_grids(
    [tiny_picture, tiny_labels, flipped],
    ["picture", "labels", "labels flipped"],
    alt="A grid of numbers that change from 20 to 90 after two columns, labels"
    " that change at the same place, and labels that change two further on.",
)

# %% [markdown]
# The border of the labels lies on the edge of the picture, and the flipped one
# where the picture does not change. For how many of the 320 pairs does the
# *flipped* label map fit better than its own? As a control, we take the healthy
# pairs and hand each picture the labels of another one: the shifted pairs.


# %% tags=["nbval-ignore-output"]
def fit_pairs(batches, shift=0):
    """Return how each label map fits its picture, as it is and flipped."""
    fits = []  # (N, 2) in the end
    for images, maps in batches:
        others = np.roll(maps, shift, axis=0)
        for gray, labels in zip(images.mean(axis=-1), others, strict=True):
            both = (labels, labels[:, ::-1])
            fits.append([border_fit(gray, one) for one in both])
    return np.array(fits)


fits = {name: fit_pairs(run.batches) for name, run in learners.items()}
fits["shifted"] = fit_pairs(learners["healthy"].batches, shift=1)
flips = {name: np.sum(fit[:, 1] > fit[:, 0]) for name, fit in fits.items()}
better = {name: fit.max(axis=1).mean() for name, fit in fits.items()}
for name, number in flips.items():
    print(f"{name:8} {number:3} of 320 flipped, fit {better[name]:5.2f}")
assert flips["healthy"] < 16 and 140 < flips["Eva"] < 180
assert 130 < flips["shifted"] < 190
assert np.isclose(better["Eva"], better["healthy"])
assert 0.15 < better["shifted"] / better["healthy"] < 0.25

# %% [markdown]
# In Eva's data about every second pair fits better flipped, in healthy data
# nearly none. But about every second one of the shifted pairs does as well. The
# last column is the better of both fits, on average. Hers is the healthy one:
# her labels belong to their pictures, as they are or flipped. That of shifted
# pairs is about a fifth.
#
# She flips pictures and forgets the label maps. Now that we know, one look at
# the labels shows all three diseases. Only for Eva's did we have to know which
# of 320 pairs to look at.

# %%
plotting.show_images(
    [
        learners["healthy"].batches[0][0][1],
        *(learners[name].batches[0][1][1] for name in names),
    ],
    ["picture", *names],
    alt="A horse, a fence and trees, with three label maps. Chloe's has broad"
    " void and thin rims of grass around trees, Dev's has sky around a horse,"
    " and Eva's is flipped from left to right.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# Each is cured by one line, under the same budget. And Chloe asked whether the
# lowest loss is good. Her labels and the healthy ones belong to the same
# pictures, so both networks can be tried on both.


# %% tags=["nbval-ignore-output"]
def mean_loss(model, batches):
    """Return the mean loss of a network on batches."""
    losses = [model.loss(labels, model(images)) for images, labels in batches]
    return np.mean(losses)


cured = {name: cure(name, unseen) for name in names}
assert min(cured[name][1] - cured[name][0] for name in ("Dev", "Eva")) > 0.01

pair = {name: learners[name] for name in ("Chloe", "healthy")}
on_both = {
    name: [mean_loss(run.model, other.batches) for other in pair.values()]
    for name, run in pair.items()
}
for name, (on_chloes, on_healthy) in on_both.items():
    assert on_chloes < on_healthy
    print(f"{name:8} on Chloe's labels {on_chloes:.2f}", end=" ")
    print(f"on healthy labels {on_healthy:.2f}")
assert on_both["healthy"][1] < on_both["Chloe"][1]

# %% [markdown]
# Her loss is the lowest because her labels ask less. Their void has doubled: it
# is a broad rim around horses and fences, which no longer counts. On such labels
# the healthy network's loss is lower too. On healthy labels hers is the higher
# one. Losses compare networks only on the same labels.

# %% [markdown]
# Chloe's mistake was
# [in TensorFlow's tutorial](https://github.com/tensorflow/docs/pull/2159) until
# someone printed the values of a mask. Dev's line is
# [in a loader of Pascal VOC](https://github.com/meetps/pytorch-semseg/issues/23),
# and Eva's pairs
# [came from two generators](https://github.com/keras-team/keras-preprocessing/issues/236)
# that drew differently.

# %% [markdown]
# ### Exercise: find the mistakes
#
# Someone loads pairs for a network that eats RGB from 0 to 255. Pictures and
# label maps are PNG files; a label map has one channel, which holds the class.
#
# ```python
# def load(picture_path, labels_path, random):
#     picture = cv2.imread(picture_path)                        # line 1
#     picture = cv2.resize(picture, (128, 128))                 # line 2
#     labels = cv2.imread(labels_path, cv2.IMREAD_UNCHANGED)    # line 3
#     nearest = cv2.INTER_NEAREST                               # line 4
#     labels = cv2.resize(labels, (128, 128), interpolation=nearest)  # 5
#     if random.random() < 0.5:                                 # line 6
#         picture = picture[:, ::-1]                            # line 7
#     if random.random() < 0.5:                                 # line 8
#         labels = labels[:, ::-1]                              # line 9
#     return picture, labels                                    # line 10
# ```
#
# Two lines are faulty. Bind `loader_faults` to a list of their numbers, as in
# `[2, 3]`.
#
# <details><summary>Hint 1</summary>
#
# One of them was Bruno's, and the other one is a relative of Eva's.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Which color comes first in what `cv2.imread` returns? May a *picture* be
# averaged?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# How often are picture and labels flipped both, and how often only one of them?
#
# </details>

# %% points=2
# solution
loader_faults = [1, 8]

# %%
from fcnlib import checks

checks.loader_faults(loader_faults)

# %% [markdown] tags=["instructor"]
# **For instructors.** Line 2 is the frequent false alarm: "bilinear is wrong".
# Ask what the average of two colors is, and what the average of two class
# numbers. For line 8, ask for the chance that one coin and another agree.

# %% [markdown]
# ## It does not learn
#
# Four more train the same small network under the same budget. The cell takes
# about 20 seconds.

# %% tags=["nbval-ignore-output"]
stuck = {name: patients.admit(name) for name in patients.NAMES[5:9]}
histories = {"healthy": learners["healthy"].history["loss"]}
for name, run in stuck.items():
    print(f"{name}: {run.complaint}")
    histories[name] = run.history["loss"]
finite = {name: losses for name, losses in histories.items() if name != "Gus"}
assert np.isnan(histories["Gus"]).all()
assert np.allclose(histories["Finn"], histories["Gita"], atol=1e-3)
plotting.show_curves(
    {name: (range(1, 7), losses) for name, losses in finite.items()},
    "Loss over six epochs. The healthy curve falls from 1.2 to 0.6, Hugo's"
    " from 1.5 to 1.2. Finn's and Gita's are one horizontal line at 1.6.",
    x_label="epoch",
    y_label="mean loss",
)

# %% [markdown]
# Finn's and Gita's curves are one line, so the curve cannot tell them apart.
# Gus's losses are nan from the first epoch on. What does the height of the line
# say?
#
# A network that knows nothing gives equal scores to all classes. After the
# softmax, each of C classes has the probability 1/C, and the loss is the
# negative logarithm of that.

# %%
for classes in (2, 5, 21):
    equal_scores = np.zeros(classes)
    probabilities = np.exp(equal_scores) / np.exp(equal_scores).sum()
    loss = -np.log(probabilities[0])
    assert np.isclose(loss, np.log(classes))
    print(f"{classes:2} classes: loss {loss:.4f}")

# %% [markdown]
# For five classes it is 1.6094, the height of the line. Two examinations come
# next: the loss at the start, and the first step on one
# batch. `clone_model` builds each network anew, with first weights drawn as in
# the person's program. The step is the learning rate times the gradient. We
# compare its length with the length of all weights. In all five programs the
# layer of the scores starts at zero, so the loss at the start is ln 5 exactly,
# whatever the other weights are.
#
# ### Predict, then run
#
# The optimizer of the healthy program has the learning rate 0.1. Gita's has
# 1e-10. Write down how many times shorter her first step is, then run the cell.


# %% tags=["nbval-ignore-output"]
import keras
import tensorflow as tf


def first_step(run):
    """Return the loss at the start, and the first step beside the weights."""
    images, labels = run.batches[0]
    fresh = keras.models.clone_model(run.model)
    with tf.GradientTape() as tape:
        loss = run.model.loss(labels, fresh(images, training=True))
    weights = fresh.trainable_variables
    gradient = tf.linalg.global_norm(tape.gradient(loss, weights))
    step = run.model.optimizer.learning_rate * gradient
    return float(loss), float(step / tf.linalg.global_norm(weights))


firsts = {"healthy": first_step(learners["healthy"])}
firsts.update({name: first_step(run) for name, run in stuck.items()})
assert firsts["Finn"][1] == 0 and 1e-12 < firsts["Gita"][1] < 1e-11
assert 1e-3 < firsts["healthy"][1] < 1e-2 and firsts["Gus"][1] > 50
valid_pixels = np.count_nonzero(learners["healthy"].batches[0][1] < 5)
assert np.isclose(firsts["Gus"][0], valid_pixels * np.log(5))
for name, (start_loss, step) in firsts.items():
    print(f"{name:8} loss {start_loss:.4f}, step {step:.0e} of the weights")

# %% [markdown]
# A loss of ln C alone does not mean healthy: Gita and Hugo start there as well.
# Gita's step is a billion times shorter. It moves the weights by some trillionths
# of their length, and a training of six epochs has 120 steps. A healthy step has
# some thousandths.
#
# Finn's step is zero, and no learning rate makes it longer. All his kernels
# start at zero. Forward, every layer hands on zeros, and a kernel's gradient is
# a multiple of its input. Backward, the gradient is multiplied by the kernels.
# Only layers that score classes may start at zero, as the skips of lesson 4 do.
# With 21 classes, such a start gave someone a
# [repeated loss of 3.04452](https://github.com/longjon/caffe/issues/3).

# %% [markdown]
# Gus's loss at the start is ln 5 times the number of pixels in the batch that
# are not void. He adds up the losses of all pixels, where the others take the
# mean. So his step is over 50 times as long as all weights.
#
# Gita and Gus share a letter because they share a disease, from its two sides.
# The published code of the FCN paper has a *summed* loss and learning rates down
# to 1e-14. With a *mean* loss such a rate learns nothing. With a summed
# loss, a rate for a mean loss explodes: it is too large by the number of pixels.
# People ask about both, in
# [one thread](https://github.com/wkentaro/pytorch-fcn/issues/54) and
# [another](https://github.com/wkentaro/pytorch-fcn/issues/17).
#
# Hugo remains. His loss starts at ln 5 and falls, so his steps move the weights.
# Then it hardly falls, and it stays above 1. We look at what his network gives
# out.

# %% tags=["nbval-ignore-output"]
hugo = stuck["Hugo"]
first_images, _ = hugo.batches[0]  # (16, 64, 64, 3)
outputs = {
    name: np.array(run.model(first_images, training=False))
    for name, run in {"healthy": learners["healthy"], "Hugo": hugo}.items()
}
for name, output in outputs.items():
    print(f"{name:8} from {output.min():.2f} to {output.max():.2f}")

sums = outputs["Hugo"].sum(axis=-1)
assert np.allclose(sums, 1, atol=1e-4) and outputs["healthy"].min() < 0
assert np.allclose([firsts["Gita"][0], firsts["Hugo"][0]], np.log(5))
print(f"Hugo's five, summed: from {sums.min():.2f} to {sums.max():.2f}")
print("his loss takes logits:", hugo.model.loss.get_config()["from_logits"])

# %% [markdown]
# Hugo's outputs sum to 1: a softmax is in his network. His loss expects logits
# and applies another. A toy: the network is sure, and gives the probabilities
# 1, 0, 0, 0, 0. What does that cost where it is right, and where it is wrong?

# %% tags=["nbval-ignore-output"]
sure = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
softmax_again = np.exp(sure) / np.exp(sure).sum()
floor, worst = -np.log(softmax_again[[0, 1]])  # if class 0 is true, or 1
print(softmax_again.round(3), f"loss {floor:.4f} or {worst:.4f}")

assert np.isclose(floor, np.log(1 + 4 / np.e)) and np.isclose(worst, floor + 1)
right = metrics.pixel_accuracy(count(hugo.model, hugo.batches))
last = hugo.history["loss"][-1]
assert 0.55 < right < 0.8 and abs(floor + (1 - right) - last) < 0.1
assert np.log(5) > max(hugo.history["loss"]) and last > 1 > floor
print(f"expected {floor + 1 - right:.2f}, and the last loss is {last:.2f}")

# %% [markdown]
# The best answer of all still costs 0.9048, and no training gets below that. A
# sure and wrong one costs 1 more. About a third of Hugo's pixels are wrong. If
# his network is sure of them, they add about a third to the floor. That is where
# his curve ends.
#
# This was
# [in a public notebook](https://github.com/sentinel-hub/field-delineation/issues/4)
# that finds the borders of fields: the last layer was a softmax, and the loss
# kept its `from_logits=True`. Now all four cures.

# %% tags=["nbval-ignore-output"]
for name in stuck:
    before, after = cure(name, unseen)
    assert after > before + 0.1

# %% [markdown]
# The healthy program is the same for all four: same scenes, same first weights,
# same epochs.

# %% [markdown]
# ### Exercise: the floor for 21 classes
#
# A network for the 21 classes of Pascal VOC makes Hugo's mistake. Bind
# `softmax_floor` to the lowest loss that a pixel can have, as a number with at
# least three decimals or as an expression. For five classes it is 0.905.
#
# <details><summary>Hint 1</summary>
#
# The best output is 1 for the true class and 0 for the 20 others.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `np.exp` of that output is $e$ once and 1 for each of the others. What is the
# true class's share of their sum?
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# For five classes the share is $e / (e + 4)$, and the loss is minus its natural
# logarithm.
#
# </details>

# %% points=1
# solution
softmax_floor = -np.log(np.e / (np.e + 20))

# %%
checks.softmax_floor(softmax_floor)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many answer 0, "the loss of a perfect network", or ln 21,
# that of an untrained one. Ask for the largest difference that two
# probabilities of one pixel can have, and which scores a loss near 0 needs.

# %% [markdown]
# ## The scores are good, and the picture is not
#
# Ida asks one question only: fence or background? She has the small network and
# the same scenes, for two epochs.

# %%
ida = patients.admit("Ida")
fence_images, fence_labels = ida.batches[0]
print(ida.complaint)
plotting.show_images(
    [fence_images[1], fence_labels[1], predict(ida.model, fence_images)[1]],
    ["picture", "labels", "Ida"],
    alt="A picture with a fence, its labels with the fence, and Ida's map: all"
    " background.",
    class_names=("background", "fence"),
)

# %% [markdown]
# ### Predict, then run
#
# In Ida's labels 0.913 of the pixels are background, void left aside. Which
# pixel accuracy, frequency-weighted IoU and mean IoU has a map without any
# fence? Lesson 5 has the formulas. Write the three numbers down, then run the
# cell.

# %% tags=["nbval-ignore-output"]
ida_confusion = count(ida.model, ida.batches)
background, fence = ida_confusion.sum(axis=1)
no_fence = np.array([[background, 0], [fence, 0]])
share = background / (background + fence)

assert round(share, 3) == 0.913
for title, confusion in (("no fence", no_fence), ("Ida", ida_confusion)):
    accuracy = metrics.pixel_accuracy(confusion)
    weighted = metrics.frequency_weighted_iou(confusion)
    mean = metrics.mean_iou(confusion)
    p_scores = [share, share**2, share / 2]
    assert np.allclose([accuracy, weighted, mean], p_scores, atol=0.03)
    print(f"{title:8} {accuracy:.3f} {weighted:.3f} {mean:.3f}")
assert np.allclose([*ida.reported.values()], [accuracy, weighted])

# %% [markdown]
# With the share p of the background they are p, p squared and p/2, and Ida's
# are the same. Her scores are earned by the background alone. The second one is
# also called the weighted Jaccard index. The network may be improved later;
# first the score has to be able to say so.
#
# Someone asked
# [why predictions are bad with 91 % accuracy](https://github.com/divamgupta/image-segmentation-keras/issues/82),
# and someone else with
# [98 %](https://github.com/divamgupta/image-segmentation-keras/issues/37). Ida's
# cure changes no weight.

# %% tags=["nbval-ignore-output"]
honest = patients.treat("Ida")
for sign, line, reported in zip(
    "-+", honest.change, (ida.reported, honest.reported), strict=True
):
    print(sign, line)
    print(" ", {title: round(score, 3) for title, score in reported.items()})

fence_iou = metrics.iou(ida_confusion)[1]
assert fence_iou < 0.1 and honest.reported["mean_iou"] < 0.5
print(f"IoU of the fence alone: {fence_iou:.3f}")

# %% [markdown]
# ## The checklist as a function
#
# `training.examine` runs these examinations on any Keras network and any batches,
# and it uses the history and the reported scores if you hand them over. It looks
# at 64 pairs.
#
# Does it find what we have found? These are our ten diagnoses, of nine diseases.

# %%
from fcnlib import examination, training

ours = {
    "Ada": "preprocessing twice",
    "Bruno": "red and blue swapped",
    "Chloe": "interpolated labels",
    "Dev": "void as a class",
    "Eva": "flipped labels",
    "Finn": "all weights zero",
    "Gita": "learning rate",
    "Gus": "learning rate",
    "Hugo": "softmax twice",
    "Ida": "background score",
}
assert set(ours.values()) == set(examination.DISEASES)
len(examination.DISEASES)

# %% [markdown]
# Next, `examine` meets all ten. A second call gets network and batches alone,
# without history and scores. We print the evidence for each, and at the end the
# whole report on Gita.

# %% tags=["nbval-ignore-output"]
import textwrap

admitted = [patients.admit(name) for name in ours]
short = [training.examine(run.model, run.batches) for run in admitted]
full = [
    training.examine(run.model, run.batches, run.history, run.reported)
    for run in admitted
]
for name, little, report in zip(ours, short, full, strict=True):
    assert report.diseases == (ours[name],)
    assert little.diseases == (() if name == "Ida" else (ours[name],))
    evidence = report.findings[0].evidence
    print(textwrap.fill(f"{name}, {ours[name]}: {evidence}", 79))
assert "takes 93.0% of" in evidence  # Ida's, the last one
assert stuck["Gita"].model.optimizer.momentum == 0.9
print(f"\n{full[6]}")  # Gita's

# %% [markdown]
# A finding comes with its evidence and with what to try. The report also says
# what it could not tell, and why.
#
# In the 64 pairs that it looks at, 0.930 of Ida's pixels are background, and
# 0.913 in all of hers. Gita's step is about ten times that of our cell. With
# momentum 0.9, equal steps add up to ten times one, so `examine` divides a step
# by 1 - 0.9.

# %% [markdown]
# | disease | the evidence that betrays it |
# | --- | --- |
# | interpolated labels | values that are no class, or rims of classes in between |
# | void as a class | void in the loss, or a class that lies around all things |
# | preprocessing twice | the range of what enters; a trial cure |
# | red and blue swapped | a trial cure, so a network that has learned |
# | flipped labels | borders that fit the picture better once they are flipped |
# | softmax twice | outputs that sum to 1, and a loss that takes logits |
# | all weights zero | a gradient of zero for all kernels |
# | learning rate | the length of one step; the history |
# | background score | the reported score beside that of a constant map |

# %% [markdown]
# `examine` names the same disease for each of the ten. Nine of them need no history
# and no scores; only Ida's needs the scores that she reports. A red-blue swap
# cannot be seen in a network that never learned, and `examine` says so.

# %% [markdown]
# A test that always finds something is worth nothing. So five healthy runs are
# examined as well: three mended programs, and two networks that come with the
# course.

# %%
ways = {name: patients.treat(name) for name in ("Ada", "Chloe", "Ida")}
runs = [
    (run.model, run.batches, run.history, run.reported)
    for run in ways.values()
]
scenes = ways["Ada"].batches
runs += [
    (models.load_pretrained(f"pasture-{name}"), scenes)
    for name in ("fcn32s", "fcn16s")
]

diseases = [training.examine(*run).diseases for run in runs]
assert diseases == 5 * [()]
diseases

# %% [markdown]
# ### Exercise: write an examination
#
# Chloe's disease can be counted. Take three neighbors in a row, left, middle and
# right, none of them void, where left and right differ by 2 or more. Such three
# are *suspect* if the middle lies strictly between the other two.
#
# Write `suspect_share(labels)`. `labels` is (H, W) uint8 with 255 for void.
# Return the suspect share of all such threes, a number from 0 to 1; at least one
# three is there. For `[[0, 1, 2, 2], [4, 4, 1, 255]]` it is 1/2: the threes are
# 0, 1, 2 and 4, 4, 1; only the first is suspect.
#
# <details><summary>Hint 1</summary>
#
# `labels[:, :-2]` holds the left one of all threes. Which slices hold the middle
# and the right ones?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Bytes have no sign: `np.uint8(1) - np.uint8(4)` is 253. Convert the labels
# first.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `np.minimum` and `np.maximum` of left and right, "strictly between" is two
# comparisons. Combine conditions with `&`, and count `True` with `sum`.
#
# </details>


# %% points=3
def suspect_share(labels):
    # solution
    labels = labels.astype(int)
    left, middle, right = labels[:, :-2], labels[:, 1:-1], labels[:, 2:]
    known = (left != 255) & (middle != 255) & (right != 255)
    wide = known & (np.abs(left - right) >= 2)
    low, high = np.minimum(left, right), np.maximum(left, right)
    suspect = wide & (low < middle) & (middle < high)
    return suspect.sum() / wide.sum()


# %%
checks.suspect_share(suspect_share)

# %% [markdown]
# Once the check says `Correct`, try your function in an empty cell. Hand it the
# label maps of `learners["Chloe"]` and of `learners["healthy"]`, joined to one
# tall map: with `run` for one of them, that is
# `np.concatenate([labels for _, labels in run.batches]).reshape(-1, 64)`. Which
# share would make you suspicious?

# %% tags=["solution", "nbval-ignore-output"]
found_shares = {}
for name, run in learners.items():
    tall = np.concatenate([labels for _, labels in run.batches])
    found_shares[name] = suspect_share(tall.reshape(-1, 64))
    print(f"{name:8} {found_shares[name]:.4f}")

assert found_shares.pop("Chloe") > 0.7 and max(found_shares.values()) < 0.01

# %% [markdown] tags=["instructor"]
# **For instructors.** The difference of bytes is the frequent mistake: 1 - 2 is
# 255, so ends that differ by 1 only are counted as well, if the left one is the
# smaller. Ask for `np.uint8(1) - np.uint8(2)`. Others count void as a class.

# %% [markdown]
# ## The last patient
#
# Jo uses the network of lesson 4, as Ada and Bruno do. Jo's disease is none of
# the nine.

# %% tags=["nbval-ignore-output"]
jo = patients.admit("Jo")
jo_images, jo_labels = jo.batches[0]
jo_report = training.examine(jo.model, jo.batches, jo.history, jo.reported)

assert jo_report.diseases == () and jo.reported["mean_iou"] < 0.1
print(jo.complaint)
print("mean IoU {mean_iou:.2f}".format(**jo.reported), jo_report.diseases)
jo_maps = predict(jo.model, jo_images)
plotting.show_images(
    [jo_images[2], jo_maps[2], jo_images[3], jo_maps[3]],
    2 * ["picture", "Jo"],
    alt="Two pictures with horses and what is drawn for Jo: sky, grass,"
    " trees, fence and horses are mostly where they belong.",
    class_names=pasture.CLASSES,
)

# %% [markdown]
# ### Exercise: what is wrong with Jo?
#
# Use an empty cell (the + above), the functions of this lesson, and `jo_images`,
# `jo_labels` or `jo.batches`. These are the suspects:
#
# - `"a"`: the label maps are upside down;
# - `"b"`: the labels count the classes from 1, where the network counts from 0;
# - `"c"`: the labels number the classes in another order than the network;
# - `"d"`: the weights were never loaded;
# - `"e"`: void covers nearly all of the labels.
#
# Bind `jo_diagnosis` to a pair: the letter, and the evidence. The evidence is a
# list of five class names: what the network mostly calls the pixels that Jo's
# labels number 0, 1, 2, 3 and 4. For a healthy program it is
# `["sky", "grass", "tree", "fence", "horse"]`. Once the check says `Correct`,
# `cure("Jo")` in an empty cell shows the broken line.
#
# <details><summary>Hint 1</summary>
#
# Data and pictures are fine, and the score is not. Which examination is left?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `count(jo.model, jo.batches)` has a row for each of Jo's numbers, and a column
# for each class of the network.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Where is the largest number of the first row? Its column has a name in
# `pasture.CLASSES`. Read the five names: who would outline things in that order?
#
# </details>

# %% points=2
# solution
jo_diagnosis = ("c", ["horse", "fence", "grass", "sky", "tree"])

# %%
checks.jo_diagnosis(jo_diagnosis)

# %% [markdown] tags=["instructor"]
# **For instructors.** Many say "b", as the score is low and a shift by one is
# well known. Ask which number the sky has in Jo's labels, and which it would
# have then. Others read the columns: ask what a row counts. Jo's numbers are the
# order of a list in a tool, in which someone outlined the horse first.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - ran six examinations, from the data to the pictures, on eleven programs;
# - told nine diseases apart, although some share a symptom, as Finn and Gita
#   share one curve;
# - measured each cure, one changed line: by the score before and after, and for
#   Ida by what a better score says.
#
# All pictures so far were drawn. The next lesson asks: does it work on
# photographs?

# %% [markdown]
# ## References
#
# - A. Karpathy (2019):
#   [A Recipe for Training Neural Networks](https://karpathy.github.io/2019/04/25/recipe/).
#   Another checklist, with the loss at the start and one batch.
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 4.3 has the learning
#   rates and what starts at zero.
# - E. Shelhamer and others:
#   [fcn.berkeleyvision.org](https://github.com/shelhamer/fcn.berkeleyvision.org).
#   The summed loss, with learning rates from 1e-10 down to 1e-14.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: no error was raised. Nobody may
# guess a disease before an examination; write guesses down, and count at the end how
# many held. Groups of two or three work well, one patient each.
#
# Minutes to read: opening 2, checklist 3, it worked in the lesson 6, learns the wrong
# thing 15, does not learn 11, good scores 3, checklist as a function 8, last
# patient 2.
#
# Misconceptions, and the question that brings each to light:
#
# - A loss that falls proves that the program is right. Ask: does Chloe's loss fall?
# - The lowest loss wins. Ask: were both losses measured on the same labels?
# - A flat curve means a wrong learning rate. Ask: what tells Finn from Gita?
# - A test that finds something is a good test. Ask: what does it say of healthy
#   programs?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - Ada's black and white: the layer is applied a second time, so both land close to
#   -1;
# - sky and horse: a rim of void lies between them; the average of sky and tree has
#   the number of grass;
# - Gita's step: the step is proportional to the learning rate, everything else
#   being equal;
# - Ida's scores: p, p squared, and half of p, by the formulas of lesson 5.
#
# Each written diagnosis: one point for the disease, one for the evidence that rules
# out the next best one. A right name without evidence is worth one point, and so is
# good evidence with a wrong name.
