# %% [markdown]
# # How many pixels lie at the edge of a picture?
#
# You can count the pixels of a label map (lesson 0). The first figure shows a
# scene and its outermost pixels. How many are they?

# %%
import numpy as np

from fcnlib import pasture, plotting

image, _ = pasture.draw_scene(seed=3, height=96, width=128)
rim = image.copy()
rim[1:-1, 1:-1] = 255  # all but the outermost rows and columns

plotting.show_images(
    [image, rim],
    ["picture", "its rim"],
    alt="A drawn pasture, and its outermost pixels alone: a thin frame around"
    " a white field.",
)

# %% [markdown]
# The rim is thin, and it runs along all four sides.
#
# After this lesson you can:
#
# - count the pixels of a rim;
# - predict how its share changes with the size of a picture.
#
# 5 minutes to read, 10 seconds to run on a laptop without a GPU.

# %% [markdown] tags=["instructor"]
# **For instructors.** The opening: a question as title, where the reader stands,
# a figure that shows the lesson's result, and goals that can be tested. Cells with
# this tag are in the solution edition only.

# %% [markdown]
# ## A rim that fits in the head
#
# A picture of 3 × 4 pixels has two pixels that touch no side.
#
# ### Predict, then run
#
# How many of its 12 pixels lie in the rim? Write the number down, then run the
# cell.


# %%
def mark_rim(height, width):
    """Mark the outermost pixels of a picture."""
    marked = np.ones((height, width), dtype=bool)
    marked[1:-1, 1:-1] = False
    return marked


int(mark_rim(3, 4).sum())

# %% [markdown]
# Ten: all but the two in the middle.

# %% [markdown] tags=["instructor"]
# **For instructors.** A step says what will be done, does it in a few lines, and
# reads the result. A prediction has one answer that can be written down. The text
# after the cell explains it.

# %% [markdown]
# ## Larger pictures
#
# ### Predict, then run
#
# A square grows from 8 to 16 to 32 pixels a side. Does the share of the rim
# stay, halve, or fall to a quarter each time? Decide, then run the cell.

# %%
shares = {side: float(mark_rim(side, side).mean()) for side in (8, 16, 32)}

assert shares[8] > 0.4 and shares[32] < 0.13
shares

# %% [markdown]
# It falls to about a half: the rim grows as the side does, and the square as its
# square. At 8 pixels over 40 % lie in the rim, at 32 less than 13 %.

# %% [markdown]
# ### Exercise: the share of the rim
#
# Return the share of the pixels that lie in the outermost rows and columns of a
# picture of `height` × `width` pixels; both are at least 2. For 3 and 4 it is
# 10/12. Use arithmetic alone.
#
# <details><summary>Hint 1</summary>
#
# Which pixels do not lie in the rim?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# They form a smaller picture. How high and wide is it?
#
# </details>


# %% points=2
def rim_share(height, width):
    # solution
    inside = (height - 2) * (width - 2)
    return 1 - inside / (height * width)


# %%
from fcnlib import checks

checks.rim_share(rim_share)

# %% [markdown] tags=["instructor"]
# **For instructors.** Everything from the line `# solution` to the end of the cell
# becomes a stub in the student edition. The points stand in the cell's header. Many
# add up the four sides and count the corners twice: ask for the rim of 2 × 2.

# %% [markdown]
# ## Summary
#
# In this lesson you:
#
# - counted the pixels of a rim;
# - saw that its share halves when the side of a square doubles.
#
# The next lesson asks: who sees these pixels?

# %% [markdown]
# ## References
#
# - J. Long, E. Shelhamer, T. Darrell (2015):
#   [Fully Convolutional Networks for Semantic
#   Segmentation](https://arxiv.org/abs/1411.4038). Section 3 explains why
#   such networks take pictures of any size.

# %% [markdown] tags=["instructor"]
# **For instructors.** Teaching note. Say first: what the class should keep, in one
# sentence.
#
# Minutes to read: opening 1, a rim that fits in the head 2, larger pictures 2.
#
# Misconceptions, and the question that brings each to light:
#
# - The share of the rim does not depend on the size. Ask: which share has a picture
#   of 2 × 2?

# %% [markdown] tags=["instructor"]
# **For instructors.** Marking the predictions, by the scale in
# [INSTRUCTORS.md](../INSTRUCTORS.md). A full reason says:
#
# - the rim of 3 × 4: what touches no side is counted and taken away;
# - the share: the rim grows as the side, the square as its square.
