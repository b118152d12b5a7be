"""Configure nbgrader for this course; `make assignments` copies this file.

`nbgrader` reads it in the folder that it is called in. A copy that is in the
course folder is never written again, so what you change there stays.
"""

import warnings
from pathlib import Path

import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import utils
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    DeduplicateIds,
    GetGrades,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
)
from sqlalchemy.exc import SAWarning

LESSON_SECONDS = 600  # a cell of the lesson, some of which train a network
ANSWER_SECONDS = 60  # an answer, or a cell that the student added
GRADING_SECONDS = 300  # a check stops one call of an answer after 5 to 60 s


def seconds_for(cell):
    """Return how long a cell may run; nbgrader alone has one time for all."""
    if utils.is_grade(cell):
        return GRADING_SECONDS
    return LESSON_SECONDS if utils.is_locked(cell) else ANSWER_SECONDS


def without_hidden_tests(cell):
    """Return a copy of a cell as students see it."""
    copy = nbformat.from_dict(cell)
    ClearHiddenTests().preprocess_cell(copy, {}, 0)
    return copy


class RefuseOthers(NbGraderPreprocessor):
    """Refuse a notebook that was not handed out, such as one of `notebooks/`.

    nbgrader knows none of its answers, and would give it 0 without a word.
    """

    def preprocess(self, notebook, resources):
        if not any(map(utils.is_grade, notebook.cells)):
            name = resources["nbgrader"]["assignment"]
            raise ValueError(
                f"expected the notebook of release/{name}/, and this is "
                "another or has lost its cells' metadata; grade it with "
                "python -m fcnlib grade, or ask the student for the right one"
            )
        return notebook, resources


class ForgetCopies(DeduplicateIds):
    """Grade the last of several copies of a cell, as nbgrader does.

    nbgrader leaves an empty mark on the others, at which it stops grading,
    for this student and for all that follow.
    """

    def preprocess(self, notebook, resources):
        super().preprocess(notebook, resources)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader") == {}:
                del cell.metadata["nbgrader"]
        return notebook, resources


class RestoreCells(OverwriteCells):
    """Restore the cells that are locked, as nbgrader does.

    It warns of each hidden test that it restores, though every submission
    lacks it. This warns only where something else has changed.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        known = grade_id in self._source_cells()
        if known and utils.is_grade(cell) and cell.cell_type == "code":
            source = self._source_cells()[grade_id]
            released = nbformat.from_dict({**cell, "source": source})
            if cell.source == without_hidden_tests(released).source:
                cell.source = source
        return super().preprocess_cell(cell, resources, cell_index)

    def _source_cells(self):
        """Return the text of the instructor's cells, by their ids."""
        notebook = self.gradebook.find_notebook(
            self.notebook_id, self.assignment_id
        )
        return {cell.name: cell.source for cell in notebook.source_cells}


class HideHiddenTests(GetGrades):
    """Take hidden tests out of the feedback, and tracebacks that show them.

    nbgrader shows both to the student (jupyter/nbgrader issue 917). The line
    that a check printed and the points stay.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        super().preprocess_cell(cell, resources, cell_index)
        if not utils.is_grade(cell) or cell.cell_type != "code":
            return cell, resources
        for output in cell.outputs:
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]
        return without_hidden_tests(cell), resources


# nbgrader's own way to its database; it does the same with and without them.
warnings.filterwarnings("ignore", "Object of type", SAWarning)

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = "fcnlib"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# The lesson's own words say what to write, so nbgrader adds none.
c.ClearSolutions.code_stub = {"python": ""}

c.Execute.timeout_func = seconds_for
c.Execute.timeout = LESSON_SECONDS
# Else each kernel warns that it talks to nbgrader on this machine unencrypted.
c.Execute.extra_arguments = ["--log-level=ERROR"]
# nbclient answers widgets while it waits for the kernel; now and then it then
# misses the kernel's reply, and waits for it until the cell's time is up.
c.Execute.skip_cells_with_tag = "explorer"

c.Autograde.sanitize_preprocessors = [
    ClearOutput,
    RefuseOthers,
    ForgetCopies,
    OverwriteKernelspec,
    RestoreCells,
    CheckCellMetadata,
]
c.GenerateFeedback.preprocessors = [
    HideHiddenTests,
    CSSHTMLHeaderPreprocessor,
]
