"""Take an answer, and what it needs, out of a submitted notebook by its syntax tree.

What counts is what a kernel would hold at the exercise's check cell: the last binding
of the answer's name before it. Cells are never run as they stand; of all statements
only those are taken that bind what the answer uses, and so on from there.
"""

import ast
import builtins
import collections
import copy
import json
import re
import symtable

MAX_FILE = 50 * 2**20
# What IPython adds to Python: magics, shell commands, questions.
_IPYTHON = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*)$", re.M)
_IPYTHON_VALUE = re.compile(r"^(\s*[\w, ]+=\s*)[%!].*$", re.M)
_PYTHON_CELLS = ("%%time", "%%capture", "%%python3")
# A statement begins at the margin, and so may its else and its closing bracket.
_MARGIN = re.compile(r"^(?=[^\s#)\]}])(?!(?:else|elif|except|finally)\b)", re.M)

Code = collections.namedtuple("Code", ["imports", "body"])
Code.__doc__ = "What an answer needs: its imports, and all else, both as Python text."


class _ToGenerators(ast.NodeTransformer):
    """Turn comprehensions into generators, whose names Python keeps apart.

    From Python 3.12 on, a symbol table counts the names of the others as the module's.
    """

    def visit_ListComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node):
        self.generic_visit(node)
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return ast.GeneratorExp(pair, node.generators)


class _Statement:
    """A statement at the top level of a notebook, with the names it has to do with."""

    def __init__(self, node):
        self.node = node
        self.text = ast.unparse(node)
        self.is_import = isinstance(node, ast.Import | ast.ImportFrom)
        plain = ast.unparse(_ToGenerators().visit(copy.deepcopy(node)))
        table = symtable.symtable(plain, "notebook", "exec")
        symbols = table.get_symbols()
        self.binds = {s.get_name() for s in symbols if s.is_assigned()}
        self.binds |= {s.get_name() for s in symbols if s.is_imported()}
        self.changes = _changed_names(node)
        self.uses_now = {s.get_name() for s in symbols if s.is_referenced()}
        self.uses_later = set()
        for child in table.get_children():
            self._look_into(child)
        # It alone says what its names are; a loop or a += adds to what they were.
        self.is_whole = isinstance(
            node,
            ast.Assign
            | ast.AnnAssign
            | ast.FunctionDef
            | ast.ClassDef
            | ast.Import
            | ast.ImportFrom,
        )

    def _look_into(self, table):
        """Collect the global names that a function, class or generator uses."""
        names = {s.get_name() for s in table.get_symbols() if s.is_global()}
        at_once = table.get_type() == "class" or table.get_name() == "genexpr"
        (self.uses_now if at_once else self.uses_later).update(names)
        for child in table.get_children():
            self._look_into(child)


def read_cells(path):
    """Return the texts of a notebook's code cells.

    Args:
        path: pathlib.Path of a notebook of format 3 or 4.

    Returns:
        List of str.

    Raises:
        ValueError: if the file is no notebook.
    """
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"it is larger than {MAX_FILE // 2**20} MB; clear its outputs")
    try:
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
        worksheets = notebook.get("worksheets") or [notebook]
        cells = [cell for sheet in worksheets for cell in sheet["cells"]]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        sources = [cell.get("source", cell.get("input", "")) for cell in code]
        return ["".join(source) for source in sources]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is no notebook; hand in the .ipynb file") from None


def read_statements(cells):
    """Return the statements at the top level of cells, without unreadable ones.

    Args:
        cells: list of str.

    Returns:
        List of statements for `extract`.
    """
    return [one for cell in cells for one in _parse(cell)]


def extract(statements, answer, check):
    """Return the code of one answer, or `None` if nothing binds its name.

    Args:
        statements: list, what `read_statements` returned.
        answer: str, the name of the answer.
        check: str, the name of the exercise's check; what comes after its last call
            does not count.

    Returns:
        `Code`, or `None`.

    Example:
        >>> cells = ["import math", "def area(r):\\n    return math.pi * r**2", "r = 2"]
        >>> extract(read_statements(cells), "area", "circle").imports
        'import math'
    """
    end = _last_check(statements, answer, check)
    needs, left, seen = {}, [(answer, end)], set()
    while left:
        name, limit = left.pop()
        if (name, limit) in seen:
            continue
        seen.add((name, limit))
        for place in _bindings(statements, name, limit):
            one = statements[place]
            found = [_bindings(statements, used, place) for used in one.uses_now]
            needs[place] = {other for places in found for other in places}
            left += [(used, place) for used in one.uses_now]
            left += [(used, end) for used in one.uses_later]
    if not any(answer in statements[place].binds for place in needs):
        return None
    return _write([statements[place] for place in _order(needs)])


def _without_magics(cell):
    """Return a cell's text with what only IPython reads taken out."""
    if cell.lstrip().startswith("%%"):
        first, _, cell = cell.lstrip().partition("\n")
        if first.split()[0] not in _PYTHON_CELLS:
            return ""
    return _IPYTHON.sub(r"\1pass", _IPYTHON_VALUE.sub(r"\1None", cell))


def _parse(text):
    """Return the statements of a cell; where one cannot be read, those around it."""
    plain = _without_magics(text)
    for whole in (text, plain):
        found = _body(whole)
        if found is not None:
            return found
    parts = _join_decorators(_MARGIN.split(plain))
    return [one for part in parts for one in _body(part) or ()]


def _body(text):
    """Return the statements of a text, imports one by one, or `None` if it is wrong."""
    try:
        return _read(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read(tree):
    """Return the statements of a syntax tree."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [_import_one(node, name) for name in node.names]
        else:
            found.append(_Statement(node))
    return found


def _import_one(node, name):
    """Return the statement that imports one of the names of another."""
    one = copy.copy(node)
    one.names = [name]
    return _Statement(one)


def _join_decorators(parts):
    """Put each decorator with the statement behind it."""
    joined, before = [], ""
    for part in parts:
        before += part
        if not part.startswith("@"):
            joined.append(before)
            before = ""
    return joined


def _changed_names(node):
    """Return the names whose object a statement changes: a.append(1), a[0] = 1."""
    match node:
        case ast.Expr(ast.Call(ast.Attribute(target))):
            targets = [target]
        case ast.Assign(targets):
            parts = ast.Subscript | ast.Attribute
            targets = [target for target in targets if isinstance(target, parts)]
        case ast.AugAssign(ast.Subscript() | ast.Attribute() as target):
            targets = [target]
        case ast.Delete(targets):
            pass
        case _:
            targets = []
    return {name for name in map(_root, targets) if name}


def _root(node):
    """Return the name that a[0].b.c begins with, or `None`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _last_check(statements, answer, check):
    """Return the place of the last call of a check on an answer, or the end."""
    call = f"checks.{check}({answer})"
    places = [place for place, one in enumerate(statements) if call in one.text]
    return places[-1] if places else len(statements)


def _bindings(statements, name, end):
    """Return the places of the statements that make what a name is before `end`.

    Where none comes before, those behind count: the cells are in another order.
    """
    places = [place for place, one in enumerate(statements) if name in one.binds]
    before = [place for place in places if place < end]
    if not places:
        starred = not hasattr(builtins, name)
        return [p for p, one in enumerate(statements) if starred and _is_starred(one)]
    if not before:
        end = len(statements)
        before = places
    whole = [place for place in before if statements[place].is_whole]
    first = whole[-1] if whole else before[0]
    if statements[first].is_import:
        return [place for place in before if place >= first]
    return [
        place
        for place in range(first, end)
        if name in statements[place].binds | statements[place].changes
    ]


def _is_starred(statement):
    """Tell whether a statement imports all names of a module."""
    node = statement.node
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _order(needs):
    """Return places in their order, but what a place needs at once before it."""
    ordered = []

    def put(place, waiting):
        if place not in ordered and place not in waiting:
            for other in sorted(needs[place]):
                put(other, {*waiting, place})
            ordered.append(place)

    for place in sorted(needs):
        put(place, set())
    return ordered


def _write(statements):
    """Return statements as text, imports apart."""
    imports = [one.text for one in statements if one.is_import]
    body = [one.text for one in statements if not one.is_import]
    return Code("\n".join(dict.fromkeys(imports)), "\n".join(body))
