"""Grade submitted notebooks by the names of the answers in them.

`extraction` takes an answer out of a notebook. `answering` runs it in a process of its
own, closed by `sandbox`. `calling` hands it to the checks; what passes between is plain
data (`encoding`). `classroom` does so for a folder of submissions.
"""

from fcnlib.grading.classroom import grade_folder
from fcnlib.grading.submissions import read_time

__all__ = ["grade_folder", "read_time"]
