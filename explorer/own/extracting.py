"""What is taken of a student's file: imports, classes, functions and constants, and never what it runs besides.

A script trains where it is imported. So its syntax tree is read and only those statements are kept that define
something; the others are noted by the names that they would have set or changed, for whoever misses one. Where one of
those names stood for something else before, it stands for nothing from there on: a network is refused rather than built
of what its file no longer means.
"""

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from explorer.networks.code import MAIN, Code, absolute, at_level, changed_in, names_set, root_of
from explorer.own.folder import CODE

LARGEST = 10_000_000  # bytes of a file of code; a notebook holds its pictures
MODULES = 100  # beside a file, that it may take with it
PYTHON_CELLS = ("%%time", "%%capture", "%%prun")  # cells of Python in a notebook, which begin so
MAGIC = re.compile(r"\s*(?:[!%?]|[\w.]+\?{1,2}\s*$)")  # lines such as !pip install x, %matplotlib inline, Net?
MAGIC_SETS = re.compile(r"\s*(?:%time\s+(\w[\w, ]*)=[^=]|(\w[\w, ]*)=\s*[!%])")  # files = !ls, %time x = f()
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
CONSTANT = (
    ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue, ast.operator,
    ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.Lambda, ast.keyword,
)  # fmt: skip
HARMLESS = {  # calls that compute a value and nothing else
    "bool", "collections.namedtuple", "dict", "float", "frozenset", "functools.partial", "int", "len", "list", "max",
    "min", "namedtuple", "partial", "range", "set", "sorted", "str", "sum", "torch.backends.mps.is_available",
    "torch.cuda.is_available", "torch.device", "tuple",
}  # fmt: skip


@dataclass
class Extract:
    """Code that may be run, and where in the file what was left out would have set which name."""

    code: Code
    files: tuple[Path, ...]  # that it comes from
    left_out: dict[str, str] = field(default_factory=dict)  # the line, by name


def extract(path: Path) -> Extract:
    """What defines a network in a `.py` or `.ipynb` file, with the modules beside it that it imports.

    Raises ValueError where the file is missing, is neither kind, or is no Python.
    """
    left_out: dict[str, str] = {}
    modules = {MAIN: _kept(path, left_out)}
    waiting, files = list(_imported(modules[MAIN], "")), [path]
    while waiting:
        name = waiting.pop()
        if name in modules or (found := _beside(path.parent, name)) is None:
            continue
        if len(modules) > MODULES:
            raise ValueError(f"{path.name} imports more than {MODULES} modules that lie beside it; name a smaller file")
        files.append(found)
        besides: dict[str, str] = {}
        modules[name] = _kept(found, besides)
        left_out = {key: f"{line} of {found.name}" for key, line in besides.items()} | left_out
        package = name if found.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [*_parents(name), *_imported(modules[name], package)]
    packages = [name for name in modules if name != MAIN and _is_package(path.parent, name)]
    return Extract(Code(path.name, modules, tuple(sorted(packages))), tuple(files), left_out)


def names_in(path: Path) -> list[str]:
    """The names of the classes and functions that a file defines, classes first; none is run. ValueError as above."""
    tree = ast.parse(_kept(path, {}))
    classes = [each.name for each in tree.body if isinstance(each, ast.ClassDef) and each.bases]
    return [*classes, *(each.name for each in tree.body if isinstance(each, ast.FunctionDef))]


def _kept(path: Path, left_out: dict[str, str]) -> str:
    """The statements of a file that define something, as text; notes the names that the others would have set."""
    tree = _tree(_source(path), path.name)
    body: list[ast.stmt] = []
    known = _Known(path.parent)
    for statement in tree.body:
        if _defines(statement) and changed_in(statement) <= known.names - known.foreign:
            body.append(statement)
            known.add(statement)
            continue
        changed = changed_in(statement) - known.foreign | names_set(statement) | known.changed_by_call(statement)
        left_out |= dict.fromkeys(changed, f"line {statement.lineno}")
        body += [ast.Delete([ast.Name(name, ast.Del())]) for name in sorted(changed & known.names)]
        known.names -= changed
    return ast.unparse(ast.Module(body, [])) + "\n"


@dataclass
class _Known:
    """The names that the statements kept so far have set, and what is to be known of them."""

    folder: Path
    names: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)  # of modules from elsewhere, and of what is imported of those
    constants: set[str] = field(default_factory=set)
    setters: dict[str, set[str]] = field(default_factory=dict)  # the global names that a function sets, by its name

    def add(self, statement: ast.stmt) -> None:
        """Note what a statement that is kept defines."""
        new = names_set(statement)
        self.names |= new
        for kind in (self.foreign, self.constants):
            kind -= new
        if isinstance(statement, ast.Import | ast.ImportFrom) and not self._is_beside(statement):
            self.foreign |= new
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            self.constants |= new
        if isinstance(statement, ast.FunctionDef):
            self.setters[statement.name] = {
                name for each in ast.walk(statement) if isinstance(each, ast.Global) for name in each.names
            }

    def _is_beside(self, statement: ast.Import | ast.ImportFrom) -> bool:
        """Whether an import is of modules that lie beside the file."""
        if isinstance(statement, ast.ImportFrom) and (statement.level or not statement.module):
            return True
        names = [alias.name for alias in statement.names]
        names = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else names
        return any((self.folder / name.partition(".")[0]).is_dir() or _beside(self.folder, name) for name in names)

    def changed_by_call(self, statement: ast.stmt) -> set[str]:
        """The names whose values the calls in a statement may change: CONFIG of CONFIG.update(…), and globals."""
        found = set()
        for call in at_level(statement):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                found |= {root_of(call.func)} & self.constants
            elif isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                found |= self.setters.get(call.func.id, set())
                if call.func.id in ("setattr", "delattr") and call.args:
                    found |= {root_of(call.args[0])} & (self.names - self.foreign)
        return found


def _tree(text: str, what: str) -> ast.Module:
    """The syntax tree of a text; ValueError where it has none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"{what} is no Python that can be read here ({where}); mend it") from None


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
    for number, text in enumerate(texts, start=1):
        first, _, rest = text.lstrip().partition("\n")
        if first.startswith("%%") and first.split()[0] not in PYTHON_CELLS:
            continue
        cell = rest if first.startswith("%%") else text
        try:
            _tree(cell, path.name)
        except ValueError:
            cell = _without_magic(cell)
            _tree(cell, f"code cell {number} of {path.name}")
        yield cell


def _without_magic(cell: str) -> str:
    """A cell without the lines that only a notebook can read; of a name that one sets, only that it is set."""
    lines, before = [], ""  # the line before, where it is such a one
    for line in cell.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if found := MAGIC_SETS.match(line):
            lines.append(f"{indent}{found[1] or found[2]} = get_ipython()")
        elif MAGIC.match(line) or before.endswith("\\"):
            lines.append(f"{indent}pass" if not before.endswith("\\") else "")
        else:
            lines.append(line)
        before = line if lines[-1] != line else ""
    return "\n".join(lines)


def _defines(statement: ast.stmt) -> bool:
    """Whether a statement defines something and does nothing besides."""
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(map(_is_constant, targets)) and (statement.value is None or _is_constant(statement.value))
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
    for each in at_level(value):
        if isinstance(each, ast.Call):
            if ast.unparse(each.func) not in HARMLESS or any(keyword.arg is None for keyword in each.keywords):
                return False
        elif not isinstance(each, CONSTANT):
            return False
    return True


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
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):  # as Python looks for them
        if path.is_file():
            return path
    return None


def _is_package(folder: Path, name: str) -> bool:
    return (folder.joinpath(*name.split(".")) / "__init__.py").is_file()
