"""What is taken of a student's file: imports, classes, functions and constants, and never what it runs besides.

A script trains where it is imported. So its syntax tree is read and only those statements are kept that define
something; the others are noted by the names that they would have set, for whoever misses one.
"""

import ast
import json
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from explorer.networks.code import MAIN, Code, absolute
from explorer.own.folder import CODE

LARGEST = 10_000_000  # bytes of a file of code; a notebook holds its pictures
MODULES = 100  # beside a file, that it may take with it
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
CONSTANT = (
    ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue, ast.operator,
    ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip
HARMLESS = {  # calls that compute a value and nothing else
    "bool", "collections.namedtuple", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "namedtuple",
    "range", "set", "sorted", "str", "sum", "torch.backends.mps.is_available", "torch.cuda.is_available",
    "torch.device", "tuple",
}  # fmt: skip


@dataclass
class Extract:
    """Code that may be run, and where in the file what was left out would have set which name."""

    code: Code
    left_out: dict[str, int] = field(default_factory=dict)  # line, by name


def extract(path: Path) -> Extract:
    """What defines a network in a `.py` or `.ipynb` file, with the modules beside it that it imports.

    Raises ValueError where the file is missing, is neither kind, or is no Python.
    """
    left_out: dict[str, int] = {}
    modules = {MAIN: _kept(path, left_out)}
    waiting = list(_imported(modules[MAIN], ""))
    while waiting:
        name = waiting.pop()
        if name in modules or (found := _beside(path.parent, name)) is None:
            continue
        if len(modules) > MODULES:
            raise ValueError(f"{path.name} imports more than {MODULES} modules that lie beside it; name a smaller file")
        modules[name] = _kept(found, {})
        package = name if found.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [*_parents(name), *_imported(modules[name], package)]
    packages = [name for name in modules if name != MAIN and _is_package(path.parent, name)]
    return Extract(Code(path.name, modules, tuple(sorted(packages))), left_out)


def names_in(path: Path) -> list[str]:
    """The names of the classes and functions that a file defines, classes first; none is run. ValueError as above."""
    tree = ast.parse(_kept(path, {}))
    classes = [each.name for each in tree.body if isinstance(each, ast.ClassDef) and each.bases]
    return [*classes, *(each.name for each in tree.body if isinstance(each, ast.FunctionDef))]


def _kept(path: Path, left_out: dict[str, int]) -> str:
    """The statements of a file that define something, as text; notes the names that the others would have set."""
    text = _source(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"{path.name} is no Python that can be read here ({where}); mend it") from None
    body = []
    for statement in tree.body:
        if _defines(statement):
            body.append(statement)
        else:
            left_out |= {name: statement.lineno for name in _names_set(statement)}
    return ast.unparse(ast.Module(body, [])) + "\n"


def _source(path: Path) -> str:
    """The Python in a file: a notebook's code cells one after another, without the lines for the shell."""
    if path.suffix not in CODE:
        raise ValueError(f"{path.name} is neither a .py nor an .ipynb file, in which networks are written")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} is {path.stat().st_size / 1e6:.0f} MB, too much for code; name the file itself")
    if path.suffix == ".py":
        try:
            with tokenize.open(path) as file:
                return file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} is no text ({error}); save it as UTF-8") from error
    return "\n".join(_cells(path))


def _cells(path: Path) -> Iterator[str]:
    try:
        cells = json.loads(path.read_bytes())["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no notebook ({error}); save it again as .ipynb") from error
    for text in texts:
        if text.lstrip().startswith("%%"):  # a cell for something else than Python, or for timing it
            continue
        yield "\n".join("pass" if _is_magic(line) else line for line in text.splitlines())


def _is_magic(line: str) -> bool:
    """Whether a line is the notebook's own, as `!pip install` and `%matplotlib inline` are."""
    return line.startswith(("!", "%", "?")) or line.rstrip().endswith("?")


def _defines(statement: ast.stmt) -> bool:
    """Whether a statement defines something and does nothing besides."""
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        plain = all(isinstance(each, ast.Name | ast.Tuple | ast.List) for each in targets)
        return plain and (statement.value is None or _is_constant(statement.value))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, ast.Try):
        handled = [each for handler in statement.handlers for each in handler.body]
        return all(map(_defines, [*statement.body, *handled, *statement.orelse, *statement.finalbody]))
    if isinstance(statement, ast.If):
        defining = all(map(_defines, [*statement.body, *statement.orelse]))
        return defining and _is_constant(statement.test) and not _is_main(statement)
    return False


def _is_main(statement: ast.If) -> bool:
    """Whether this is the part of a script that runs."""
    return any(isinstance(each, ast.Name) and each.id == "__name__" for each in ast.walk(statement.test))


def _is_constant(value: ast.expr) -> bool:
    """Whether an expression computes a value out of others, and does nothing besides."""
    for each in ast.walk(value):
        if isinstance(each, ast.Call):
            if ast.unparse(each.func) not in HARMLESS or any(keyword.arg is None for keyword in each.keywords):
                return False
        elif not isinstance(each, (*CONSTANT, ast.keyword)):
            return False
    return True


def _names_set(statement: ast.stmt) -> set[str]:
    """The names that a statement would set where it stands."""
    return {each.id for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


# Modules beside the file


def _imported(text: str, package: str) -> Iterator[str]:
    """The full names of the modules that a text may import, whether or not they lie beside it."""
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.Import):
            for alias in each.names:
                yield from (alias.name, *_parents(alias.name))
        elif isinstance(each, ast.ImportFrom):
            base = absolute(each.module or "", each.level, package)
            if base:
                yield from (base, *_parents(base))
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in each.names)


def _parents(name: str) -> list[str]:
    """The packages that a module lies in: of a.b.c, a.b and a."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def _beside(folder: Path, name: str) -> Path | None:
    """The file of a module that lies in a folder, or below it; None where it comes from elsewhere."""
    place = folder.joinpath(*name.split("."))
    for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _is_package(folder: Path, name: str) -> bool:
    return not folder.joinpath(*name.split(".")).with_suffix(".py").is_file()
