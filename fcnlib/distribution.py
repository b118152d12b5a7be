"""Train and score whole pictures on one device, on several, or on several machines."""

import contextlib
import functools
import hashlib
import json
import os
import re

import keras
import numpy as np
import tensorflow as tf

from fcnlib import datasets

# One picture: its number, (1, H, W, 3) uint8 and (1, H, W) uint8.
_PICTURE = (
    tf.TensorSpec((), tf.int64),
    tf.TensorSpec((1, None, None, 3), tf.uint8),
    tf.TensorSpec((1, None, None), tf.uint8),
)


def split_processor(count):
    """Let the processor pass for several devices, to try out what needs several.

    It has to be called before TensorFlow uses a device.

    Args:
        count: Integer, the number of devices.

    Raises:
        ValueError: If TensorFlow uses the processor already.

    Example:
        >>> split_processor(2)  # doctest: +SKIP
    """
    processor = tf.config.list_physical_devices("CPU")[0]
    pieces = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(processor, pieces)
    except RuntimeError as error:
        raise ValueError(
            "expected TensorFlow to have used no device yet, but it has: call "
            "split_processor first of all, in a new process"
        ) from error


def choose_strategy(devices=1):
    """Choose how TensorFlow shares the work: on the devices or machines at hand.

    Where the environment variable TF_CONFIG names the machines of a cluster, the work
    is shared among them; each runs the same command. One process can use only one
    choice of several devices.

    Args:
        devices: Integer, or "all". The devices are the GPUs or, if there is none, the
            processor.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        ValueError: If there are fewer devices, or if TF_CONFIG is wrong.

    Example:
        >>> choose_strategy(devices=1).num_replicas_in_sync
        1
    """
    if "TF_CONFIG" in os.environ:
        return _join_cluster(os.environ["TF_CONFIG"])
    found = tf.config.list_logical_devices("GPU")
    found = found or tf.config.list_logical_devices("CPU")
    count = len(found) if devices == "all" else devices
    if not 1 <= count <= len(found):
        kind = found[0].device_type
        raise ValueError(
            f"expected {count} devices, but TensorFlow sees {len(found)} {kind}: give "
            f"--devices a number from 1 to {len(found)}, or all"
        )
    if count == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([each.name for each in found[:count]])


def _join_cluster(text):
    """Wait for the other machines; return the strategy that shares with them."""
    check_cluster(text)
    machines = [
        address for job in json.loads(text)["cluster"].values() for address in job
    ]
    if len(machines) > 1:
        print(
            f"waiting until all machines are there: {', '.join(machines)}", flush=True
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"TF_CONFIG: the machines cannot be joined ({reason}): see whether another "
            "program uses this machine's address, and whether each machine has an "
            "index of its own"
        ) from error


def check_cluster(text):
    """Refuse a TF_CONFIG that is wrong, before TensorFlow waits for its machines.

    Machines of the types "chief" and "worker" share a training.

    Args:
        text: String, the value of the environment variable.

    Raises:
        ValueError: If it is no JSON, lacks a part, has an address that is none or comes
            twice, or if its index names no machine.

    Example:
        >>> check_cluster('{"cluster": {"worker": ["10.0.0.1:2222"]}}')
        Traceback (most recent call last):
        ValueError: TF_CONFIG: expected "task" with "type" and "index", ...
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"TF_CONFIG: expected JSON, but got {text[:40]!r} ({error}): correct it"
        ) from error
    content = content if isinstance(content, dict) else {}
    cluster, task = content.get("cluster"), content.get("task")
    if not (isinstance(cluster, dict) and isinstance(cluster.get("worker"), list)):
        raise ValueError(
            'TF_CONFIG: expected "cluster" with a list "worker" of addresses such as '
            '"10.0.0.1:2222", but there is none: add it'
        )
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        raise ValueError(
            'TF_CONFIG: expected "task" with "type" and "index", but there is none: '
            'add it, for example {"type": "worker", "index": 0}'
        )
    if not {task["type"], *cluster} <= {"chief", "worker"}:
        raise ValueError(
            'TF_CONFIG: expected the types "worker" and "chief" alone, but got '
            f"{', '.join(cluster)} and the task {task['type']!r}: correct it"
        )
    _check_addresses([address for job in cluster.values() for address in job])
    machines, index = cluster.get(task["type"], []), task["index"]
    if not isinstance(index, int) or not 0 <= index < len(machines):
        raise ValueError(
            f"TF_CONFIG: expected a task among the {len(machines)} of type "
            f"{task['type']!r}, numbered from 0, but its index is {index!r}: correct it"
        )


def _check_addresses(addresses):
    """Refuse an address that has no port, or that comes twice."""
    for number, address in enumerate(addresses):
        match = re.fullmatch(r"\S+:(\d{1,5})", str(address))
        if not match or not 0 < int(match[1]) < 2**16:
            raise ValueError(
                "TF_CONFIG: expected addresses with a port, such as 10.0.0.1:2222, but "
                f"got {address!r}: correct it"
            )
        if address in addresses[:number]:
            raise ValueError(
                f"TF_CONFIG: expected an address for each machine, but {address} comes "
                "twice: correct it"
            )


def is_chief(strategy):
    """Say whether this process is the one that writes files and shows progress.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        Boolean; `True` where there is one machine.

    Example:
        >>> is_chief(choose_strategy())
        True
    """
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    chiefs = ("worker",) if "chief" not in resolver.cluster_spec().jobs else ("chief",)
    return resolver.task_type in chiefs and resolver.task_id == 0


def check_agreement(strategy, name, value):
    """Refuse machines that do not agree on what they are about to do.

    Args:
        strategy: `tf.distribute.Strategy`.
        name: String, what they have to agree on.
        value: What this machine has, anything that prints itself.

    Raises:
        ValueError: If another machine has something else.

    Example:
        >>> check_agreement(choose_strategy(), "step", 7)
    """
    digest = hashlib.sha256(repr(value).encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    total = strategy.reduce(
        "SUM", strategy.run(lambda: tf.constant(number, tf.int64)), axis=None
    )
    if int(total) != strategy.num_replicas_in_sync * number:
        raise ValueError(
            f"expected the same {name} on all machines, but this one has {value} and "
            "another has not: give all the same command, and an --out that all share"
        )


def train(
    strategy,
    model,
    optimizer,
    pairs,
    steps,
    batch_size,
    after_step,
    start=0,
    summed=False,
    seed=0,
):
    """Train a network on whole pictures, from any step of the training on.

    What a step does depends on nothing but its number, the weights and the state of
    the optimizer: pictures are dealt by `picture_order`, and dropout draws from the
    number of each picture. Each device takes its pictures one after the other, at
    their own sizes. The loss is the sum over the valid pixels of all devices, divided
    by how many these are.

    Args:
        strategy: `tf.distribute.Strategy` under whose scope the next two were made.
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        optimizer: Keras optimizer, built.
        pairs: List of (image path, labels path) or of (image, labels) arrays.
        steps: Integer, the number of steps of the whole training.
        batch_size: Integer, pictures in a step over all devices.
        after_step: Function that is called with the number of steps done and the loss.
        start: Integer, how many steps are done already.
        summed: Whether the optimizer follows the sum over the pixels, not their mean.
        seed: Integer, of the order of the pictures and of dropout.

    Raises:
        ValueError: If the devices cannot share a batch equally, or a pair is damaged.
        OSError: If another machine of the cluster stopped.

    Example:
        >>> import keras
        >>> from fcnlib import models, pasture
        >>> model, optimizer = models.fcn8s(5), keras.optimizers.SGD(1e-3)
        >>> optimizer.build(model.trainable_variables)
        >>> pairs = [pasture.draw_scene(seed, 32, 40 + seed) for seed in range(2)]
        >>> train(
        ...     choose_strategy(), model, optimizer, pairs, 2, batch_size=1,
        ...     after_step=lambda step, loss: print(step),
        ... )
        1
        2
    """
    failures = []

    def load(number):
        """Return the picture of a number of the training."""
        epoch, place = divmod(number, len(pairs))
        return datasets.load_pair(*pairs[picture_order(len(pairs), epoch, seed)[place]])

    pictures = deal(load, range(start, steps), batch_size, strategy, failures)
    replica_step = functools.partial(step_replica, model, optimizer, summed, seed)

    @tf.function(input_signature=[pictures.element_spec])
    def step(share):
        losses = strategy.run(replica_step, (share,))
        return strategy.reduce("SUM", losses, axis=None)

    with _explain(failures):
        for done, share in enumerate(pictures, start=start + 1):
            after_step(done, float(step(share)))


def evaluate(strategy, model, pairs):
    """Count a network's pixels over whole pictures, shared among all devices.

    Args:
        strategy: `tf.distribute.Strategy` under whose scope the model was made.
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        pairs: List of (image path, labels path) or of (image, labels) arrays.

    Returns:
        Confusion, (C, C) int64, rows truth, columns prediction; void is not counted.

    Raises:
        ValueError: If a pair is damaged.
        OSError: If another machine of the cluster stopped.

    Example:
        >>> from fcnlib import models, pasture
        >>> pairs = [pasture.draw_scene(seed, 32, 40 + seed) for seed in range(3)]
        >>> evaluate(choose_strategy(), models.fcn8s(5), pairs).shape
        (5, 5)
    """
    failures, replicas = [], strategy.num_replicas_in_sync
    classes = model.output_shape[-1]

    def load(number):
        """Return the picture of a number; those past the end are void."""
        image, labels = datasets.load_pair(*pairs[min(number, len(pairs) - 1)])
        return image, labels if number < len(pairs) else np.full_like(labels, 255)

    steps = range(-(-len(pairs) // replicas))
    pictures = deal(load, steps, replicas, strategy, failures)

    @tf.function(input_signature=[pictures.element_spec])
    def count(share):
        counts = strategy.run(functools.partial(_count, model), (share,))
        return strategy.reduce("SUM", counts, axis=None)

    confusion = np.zeros((classes, classes), "int64")
    with _explain(failures):
        for share in pictures:
            confusion += count(share).numpy().reshape(classes, classes)
    return confusion


@functools.lru_cache(maxsize=4)
def picture_order(count, epoch, seed=0):
    """Return the order in which an epoch goes through the pictures.

    Args:
        count: Integer, the number of pictures.
        epoch: Integer from 0 up.
        seed: Integer.

    Returns:
        Array of shape (count,), each number once, in another order in each epoch.

    Example:
        >>> picture_order(5, epoch=0).tolist(), picture_order(5, epoch=1).tolist()
        ([2, 4, 3, 0, 1], [1, 4, 3, 0, 2])
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def deal(load, steps, batch_size, strategy, failures):
    """Return the data set that gives each device its share of each step's pictures.

    The pictures have numbers: step 0 takes the first `batch_size` numbers, step 1 the
    next ones. Over all devices each number comes once.

    Args:
        load: Function from a number to image, (H, W, 3) uint8, and labels, (H, W).
        steps: Range of step numbers.
        batch_size: Integer, pictures in a step over all devices.
        strategy: `tf.distribute.Strategy`.
        failures: List that gets the errors of `load`.

    Returns:
        Iterable of tuples, one for each step, of (number, images, labels) with shapes
        (), (1, H, W, 3) and (1, H, W), as `strategy.run` takes them.

    Raises:
        ValueError: If the devices cannot share a batch equally.

    Example:
        >>> from fcnlib import pasture
        >>> load = lambda number: pasture.draw_scene(number, 32, 40)
        >>> for pictures in deal(load, range(5, 7), 2, choose_strategy(), []):
        ...     print([int(number) for number, images, labels in pictures])
        [10, 11]
        [12, 13]
    """
    replicas = strategy.num_replicas_in_sync
    share = batch_size // replicas
    if share * replicas != batch_size:
        raise ValueError(
            f"expected a batch that {replicas} devices can share, but got "
            f"{batch_size}: give --batch a multiple of {replicas}"
        )

    def read(first):
        """Return the pictures of one share in one row, for TensorFlow."""
        row = []
        for number in range(first, first + share):
            try:
                image, labels = load(number)
            except (ValueError, OSError) as error:
                failures.append(error)  # TensorFlow would wrap it in a traceback
                raise
            row += [np.int64(number), image[None], labels[None]]
        return row

    def make_dataset(context):
        """Return the shares of the devices of one machine, in turn."""
        local = replicas // context.num_input_pipelines
        before = context.input_pipeline_id * local

        def make_share(index):
            first = index // local * batch_size + (before + index % local) * share
            types = [spec.dtype for spec in _PICTURE] * share
            row = tf.numpy_function(read, [first], types)
            for tensor, spec in zip(row, _PICTURE * share, strict=True):
                tensor.set_shape(spec.shape)
            return tuple(zip(row[::3], row[1::3], row[2::3], strict=True))

        indices = tf.data.Dataset.range(steps.start * local, steps.stop * local)
        return indices.map(make_share, num_parallel_calls=4).prefetch(2 * local)

    return strategy.distribute_datasets_from_function(make_dataset)


@contextlib.contextmanager
def _explain(failures):
    """Turn what TensorFlow raises into one line: a damaged pair, or a lost machine."""
    try:
        yield
    except tf.errors.OpError as error:
        if failures:
            raise failures[0] from None
        if "TF_CONFIG" in os.environ:
            raise OSError(
                "the connection to another machine of the cluster was lost: start the "
                "same command on all machines again; it goes on from the last "
                "checkpoint"
            ) from error
        raise


def step_replica(model, optimizer, summed, seed, pictures):
    """Do one step on one device, as `strategy.run` calls it on each.

    Args:
        model: Keras model from images (N, H, W, 3) to logits (N, H, W, C).
        optimizer: Keras optimizer, built.
        summed: Whether the optimizer follows the sum over the pixels, not their mean.
        seed: Integer, of dropout.
        pictures: Tuple of (number, images, labels), this device's share, see `deal`.

    Returns:
        Scalar tensor, this device's part of the loss: the parts add up to the mean over
        the valid pixels of all devices.

    Example:
        >>> step_replica(model, optimizer, False, 0, pictures)  # doctest: +SKIP
    """
    context = tf.distribute.get_replica_context()
    valid = sum(
        tf.math.count_nonzero(labels != datasets.VOID, dtype=tf.float32)
        for _, _, labels in pictures
    )
    # Of all devices: with its own count alone, one with much void would weigh more.
    valid = tf.maximum(context.all_reduce("SUM", valid), 1)
    losses, gradients = zip(
        *(_differentiate(model, optimizer, valid, seed, *each) for each in pictures),
        strict=True,
    )
    gradients = [tf.add_n(parts) for parts in zip(*gradients, strict=True)]
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        gradients = _share_overflow(context, gradients)
    if summed:
        gradients = [gradient * valid for gradient in gradients]
    optimizer.apply(gradients, model.trainable_variables)  # which adds all devices' up
    return tf.add_n(losses)


def _differentiate(model, optimizer, valid, seed, number, images, labels):
    """Return the loss of one picture and its gradients."""
    with tf.GradientTape() as tape:
        with keras.StatelessScope(state_mapping=_dropout_seeds(model, seed, number)):
            logits = model(images, training=True)
        # Not Keras's own mean, whose divisor is the pixels of this picture alone.
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.where(labels == datasets.VOID, 0, tf.cast(labels, tf.int32)), logits
        )
        loss = tf.reduce_sum(tf.where(labels == datasets.VOID, 0.0, losses)) / valid
        scaled = optimizer.scale_loss(loss)
    weights = [variable.value for variable in model.trainable_variables]
    return loss, tape.gradient(scaled, weights)


def _dropout_seeds(model, seed, number):
    """Return what each dropout layer draws from, for one picture of the training."""
    layers = [each for each in model.layers if hasattr(each, "seed_generator")]
    return [
        (layer.seed_generator.state, tf.stack([100 * seed + index, number]))
        for index, layer in enumerate(layers)
    ]


def _share_overflow(context, gradients):
    """Spoil the gradients of all devices where those of one are not finite.

    The optimizer then leaves out the step on all of them, and none waits for another.
    """
    sums = tf.add_n([tf.reduce_sum(gradient * 0) for gradient in gradients])
    spoiled = context.all_reduce("SUM", sums)  # 0, or nan
    return [gradients[0] + spoiled, *gradients[1:]]


def _count(model, pictures):
    """Count one device's pixels of each true class that were given each class."""
    ((_, images, labels),) = pictures
    classes = model.output_shape[-1]
    predictions = tf.argmax(model(images, training=False), axis=-1)
    pairs = classes * tf.cast(labels, tf.int64) + predictions
    pairs = tf.boolean_mask(pairs, labels != datasets.VOID)
    return tf.math.bincount(
        tf.cast(pairs, tf.int32),
        minlength=classes**2,
        maxlength=classes**2,
        dtype=tf.int64,
    )
