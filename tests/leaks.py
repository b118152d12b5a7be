"""Find solutions and hidden tests in what students get, by their syntax trees.

What is secret is compared without layout, comments and the names of variables; the
value that answers an exercise is compared as `name = value`.
"""

import ast
import builtins
import html
import json
import re
import textwrap
import warnings

import assignments
import build
import nbformat
import numpy as np

# A statement alone is secret if it holds as much as a loop; smaller ones, as
# `valid = labels != 255`, are secret in pairs only.
LARGE = 14
KEPT_NAMES = {*dir(builtins), "np", "keras", "layers", "checks"}
TEXTS = (".py", ".md", ".html", ".txt", ".json", ".toml", "Makefile")
PROMPT = re.compile(r"^\s*(?:>>> |\.\.\. |-*> *\d+ |\d+ +(?=\S)|In \[\d+\]: )?")
FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
PRE = re.compile(r"<pre\b[^>]*>(.*?)</pre>", re.DOTALL)


# What a piece of code is, whatever its variables are called.


def fingerprint(node, names):
    """Describe a syntax tree, each variable by the order in which it comes."""
    if isinstance(node, list):
        return f"[{','.join(fingerprint(each, names) for each in node)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Name) and node.id not in KEPT_NAMES:
        return f"name{names.setdefault(node.id, len(names))}"
    fields = [getattr(node, field, None) for field in node._fields]
    described = ",".join(fingerprint(each, names) for each in fields)
    return f"{type(node).__name__}({described})"


def pieces(statements):
    """Return the fingerprints of the large statements, and of each pair."""
    large = [[each] for each in statements if size(each) >= LARGE]
    pairs = [[*pair] for pair in zip(statements, statements[1:], strict=False)]
    return {fingerprint(piece, {}): piece for piece in large + pairs}


def size(statement):
    """Count what a statement holds."""
    return sum(1 for _ in ast.walk(statement))


def bodies(tree):
    """Return every list of statements of a syntax tree, docstrings left out."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                yield [each for each in body if not is_text(each)]


def is_text(statement):
    """Tell whether a statement is a string alone, as a docstring is."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def all_pieces(trees):
    """Return the fingerprints of all pieces of some syntax trees."""
    found = {}
    for tree in trees:
        for body in bodies(tree):
            found |= pieces(body)
    return found


# What must not be seen.


def lesson_cells(name):
    """Return the cells of a lesson's source, and of its student edition."""
    text = (build.FOLDER / "source" / f"{name}.py").read_text(encoding="utf-8")
    student = build.editions(name)[build.FOLDER / f"{name}.ipynb"]
    return build.read_cells(text), student.cells


def solution(cell):
    """Return the statements behind a cell's marker, or an empty list."""
    marker = build.MARKER.search(cell.source)
    if marker is None:
        return []
    return ast.parse(textwrap.dedent(cell.source[marker.end() :]), mode="exec").body


def shown(name):
    """Return the fingerprints of the code that a lesson shows."""
    _, student = lesson_cells(name)
    code = [cell.source for cell in student if cell.cell_type == "code"]
    return set(all_pieces(map(ast.parse, code)))


def secret_solutions(name):
    """Return the pieces of a lesson's solutions that the lesson does not show."""
    cells, _ = lesson_cells(name)
    blocks = [ast.Module(solution(cell), []) for cell in cells]
    visible = shown(name)
    return {
        mark: f"{name}: {ast.unparse(piece[0])}"
        for mark, piece in all_pieces(blocks).items()
        if mark not in visible
    }


def secret_values(name):
    """Return pairs of a name and a value that answer exercises of a lesson."""
    cells, _ = lesson_cells(name)
    values = []
    for exercise in assignments.exercises(cells):
        answer = exercise.answer_cell
        if not build.MARKER.search(answer.source)[1]:  # not in a function
            space = {"np": np}
            exec(answer.source, space)
            values.append((exercise.answer, space[exercise.answer]))
    return values


def secret_tests(notebook):
    """Return the pieces of the hidden tests of an nbgrader source notebook."""
    hidden = re.compile(r"^### BEGIN HIDDEN TESTS\n(.*?)^### END", re.M | re.DOTALL)
    regions = [part for cell in notebook.cells for part in hidden.findall(cell.source)]
    found = {}
    for statement in [each for part in regions for each in ast.parse(part).body]:
        # Each alone is secret: they name the exercise and hold the seed.
        found[fingerprint([statement], {})] = f"hidden test: {ast.unparse(statement)}"
    return found


# What is seen.


def trees(place, content):
    """Return all code of a file, or that its text holds, as syntax trees."""
    if place.endswith(".ipynb"):
        return notebook_trees(nbformat.reads(content.decode(), 4))
    if not place.endswith(
        (".py", ".md", ".html", ".txt", ".json", ".toml", "Makefile")
    ):
        return []
    text = content.decode("utf-8")
    if place.endswith(".html"):
        return html_trees(text)
    if place.endswith(".json"):
        return [tree for each in strings(json.loads(text)) for tree in parse(each)]
    return python_trees(text) if place.endswith(".py") else parse(text)


def notebook_trees(notebook):
    """Return the code of a notebook's cells, texts and outputs."""
    found = []
    for cell in notebook.cells:
        found += parse(cell.source)
        for output in cell.get("outputs", ()):
            for text in strings(dict(output)):
                found += parse(text)
    return found


def python_trees(text):
    """Return the code of a module, and the code in its strings."""
    module = ast.parse(text)
    constants = [node.value for node in ast.walk(module) if is_string(node)]
    return [module] + [tree for each in constants for tree in parse(each)]


def is_string(node):
    """Tell whether a node is a string that may hold code."""
    kept = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return kept and any(sign in node.value for sign in "=\n")


def html_trees(text):
    """Return the code of a page: the cells and the outputs of a notebook."""
    blocks = [html.unescape(re.sub(r"<[^>]+>", "", each)) for each in PRE.findall(text)]
    return [tree for block in blocks for tree in parse(block)]


def strings(value):
    """Return all strings that nested lists and dictionaries hold, pictures not."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        kept = [each for key, each in value.items() if not key.startswith("image/")]
        return [text for each in kept for text in strings(each)]
    nested = value if isinstance(value, list | tuple) else []
    return [text for each in nested for text in strings(each)]


def parse(text):
    """Return the code that a text is or holds: whole, fenced, or line by line."""
    whole = parse_or_none(textwrap.dedent(text))
    if whole is not None:
        return [whole]
    fenced = [parse_or_none(textwrap.dedent(part)) for part in FENCE.findall(text)]
    lines = re.split(r"\n|`", text)
    stripped = [PROMPT.sub("", line).strip() for line in lines if len(line) < 500]
    single = [parse_or_none(line) for line in stripped if line]
    statements = [each for tree in single if tree for each in tree.body]
    return [tree for tree in fenced if tree] + [ast.Module(statements, [])]


def parse_or_none(text):
    """Return the syntax tree of a text, or `None` if it is no code."""
    try:
        with warnings.catch_warnings():  # of text that is no code
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


# The comparison.


def find(files, secrets, values):
    """Return one line for each secret that a file shows.

    `files` maps paths to bytes, `secrets` fingerprints to words; `values` are pairs
    of an answer's name and its value.
    """
    found = []
    for place, content in files.items():
        seen = trees(place, content)
        marks = set(all_pieces(seen)) | single_statements(seen)
        found += [f"{place}: {secrets[mark]}" for mark in marks & set(secrets)]
        found += [
            f"{place}: {name} = {ast.unparse(node)}"
            for tree in seen
            for name, node in bindings(tree)
            for answer, value in values
            if name == answer and is_value(node, value)
        ]
    return sorted(set(found))


def single_statements(seen):
    """Return the fingerprints of all statements, each alone."""
    bodies_of_all = [body for tree in seen for body in bodies(tree)]
    return {fingerprint([each], {}) for body in bodies_of_all for each in body}


def bindings(tree):
    """Return each name that gets a value in a syntax tree, with the value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield getattr(target, "id", getattr(target, "attr", None)), node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
            yield getattr(node.target, "id", None), node.value
        elif isinstance(node, ast.keyword):
            yield node.arg, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield getattr(key, "value", None), value


def is_value(node, value):
    """Tell whether an expression of numbers and texts has a value."""
    try:
        code = compile(ast.Expression(node), "", "eval")
        found = eval(code, {"np": np, "__builtins__": {}})
    except Exception:  # it needs more than numbers
        return False
    return str(found) == str(value)
