"""Check the answers to the lessons' exercises, without showing a solution.

Each lesson's exercises are in a file of their own; `judging` does what they share.
"""

from fcnlib.checks.judging import NAMES, score
from fcnlib.checks.lesson_00 import class_shares, is_brightest_channel
from fcnlib.checks.lesson_01 import layer_output_shape, score_map, strided_multiply_adds
from fcnlib.checks.lesson_02 import field_and_stride, pooling_counterexample, seen_rows
from fcnlib.checks.lesson_03 import (
    enlarged_shape,
    transposed_convolution,
    uneven_layers,
)
from fcnlib.checks.lesson_04 import build_fcn8s, deconvolved_sizes, faulty_lines
from fcnlib.checks.lesson_05 import (
    class_iou,
    dataset_mean_iou,
    iou_counterexample,
    moved_box_iou,
)
from fcnlib.checks.lesson_06 import (
    faulty_training_lines,
    summed_rate,
    weighted_void_loss,
)
from fcnlib.checks.lesson_07 import (
    jo_diagnosis,
    loader_faults,
    softmax_floor,
    suspect_share,
)
from fcnlib.checks.lesson_08 import training_budget, twin_search, untrusted_lines
from fcnlib.checks.lesson_09 import tile_starts, wrong_label
from fcnlib.checks.lesson_10 import map_megabytes, shard_losses
