"""What is taken of a student's file: imports, classes, functions and constants, and never what it runs besides.

A script trains where it is imported. So its syntax tree is read and only those statements are kept that define
something; the others are noted by the names that they would have set or changed, for whoever misses one. Where one of
those names stood for something else before, it stands for nothing from there on: a network is refused rather than built
of what its file no longer means. What would change a library that all networks share is refused at once.
"""

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer.language.saying import say
from explorer.networks.code import MAIN, Code, absolute, at_level, changed_in, names_set, root_of
from explorer.own.effects import ANYTHING, CALLED, CLASS, Function, changes_of, dotted, functions_in, root
from explorer.own.folder import CODE

LARGEST = 10_000_000  # bytes of a file of code; a notebook holds its pictures
MODULES = 100  # beside a file, that it may take with it
PYTHON_CELLS = ("%%time", "%%capture", "%%prun")  # cells of Python in a notebook, which begin so
MAGIC = re.compile(r"\s*(?:[!%?]|[\w.]+\?{1,2}\s*$)")  # lines such as !pip install x, %matplotlib inline, Net?
RUNS = re.compile(r"\s*%run\s+(?:-\w\s+)*([\w/]+)(?:\.py)?(?:\s|$)")  # %run -i parts/net.py
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
STAR = "*"  # all names of a module
SHARED = ("torch", "torchvision", "timm", "builtins", "__main__", "sys.modules")  # what networks are made of
SETTINGS = (  # of libraries, that change no network's numbers
    "logging", "matplotlib", "os", "sys.argv", "sys.path", "sys.stderr", "sys.stdout", "torch._dynamo",
    "torch._inductor", "torch.backends", "torch.cuda", "torch.hub", "torch.multiprocessing", "warnings",
)  # fmt: skip


@dataclass
class Extract:
    """Code that may be run, and where in the file what was left out would have set which name."""

    code: Code
    files: tuple[Path, ...]  # that it comes from
    left_out: dict[str, str] = field(default_factory=dict)  # the line, by name


def extract(path: Path) -> Extract:
    """What defines a network in a `.py` or `.ipynb` file, with the modules beside it that it imports.

    Raises ValueError where the file is missing, is neither kind, or is no Python, and where it, or one of those
    modules, changes what all networks share, or may change anything.
    """
    reader = _Reader(path.parent)
    read = {MAIN: reader.read(path, MAIN)}
    waiting = list(_imported(read[MAIN].text(), ""))
    while waiting:
        name = waiting.pop()
        if name in read or (found := reader.beside(name)) is None:
            continue
        if len(read) > MODULES:
            words = "{file} imports more than {most} modules that lie beside it; name a smaller file"
            raise ValueError(say(words, file=path.name, most=MODULES))
        read[name] = found
        waiting += [*_parents(name), *_imported(found.text(), found.package)]
    packages = [name for name in read if name != MAIN and _is_package(path.parent, name)]
    modules = {name: each.text() for name, each in read.items()}  # once all is known that one changes of another
    left_out = {key: at for each in reversed(read.values()) for key, at in each.left_out.items()}
    here = {key: say("line {n}", n=at.number) if at.file == path.name else at.said() for key, at in left_out.items()}
    return Extract(Code(path.name, modules, tuple(sorted(packages))), tuple(each.path for each in read.values()), here)


def names_in(path: Path) -> list[str]:
    """The names of the classes and functions that a file defines, classes first; none is run. ValueError as above."""
    tree = ast.parse(_Reader(path.parent).read(path, MAIN).text())
    classes = [each.name for each in tree.body if isinstance(each, ast.ClassDef) and each.bases]
    return [*classes, *(each.name for each in tree.body if isinstance(each, ast.FunctionDef))]


@dataclass(frozen=True)
class _Line:
    """A line of a file, by its number."""

    number: int
    file: str

    def said(self) -> str:
        """Which it is, in words."""
        return say("line {n} of {file}", n=self.number, file=self.file)


class _Reader:
    """Reads a file and the modules beside it, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: dict[str, _Module] = {}

    def read(self, path: Path, name: str) -> "_Module":
        """The module of that name, which lies there."""
        if name not in self._modules:
            module = self._modules[name] = _Module(path, name, self)  # before it is read: modules import each other
            module.read()
        return self._modules[name]

    def beside(self, name: str) -> "_Module | None":
        """The module of that name that lies beside the file; None where it comes from elsewhere."""
        path = _beside(self.folder, name)
        return None if path is None else self.read(path, name)

    def is_beside(self, name: str) -> bool:
        """Whether a module of that name lies beside the file, or a folder that may hold it."""
        return bool(name) and (
            (self.folder / name.partition(".")[0]).is_dir() or _beside(self.folder, name) is not None
        )


@dataclass
class _Module:
    """The statements of a file that are kept, and what is to be known of the names that they set."""

    path: Path
    name: str
    reader: _Reader
    body: list[ast.stmt] = field(default_factory=list)
    left_out: dict[str, _Line] = field(default_factory=dict)  # by the name that it would have set
    names: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    libraries: dict[str, str] = field(default_factory=dict)  # where a name comes from that is a library's: torch.nn
    besides: dict[str, tuple[str, str]] = field(default_factory=dict)  # the same of a module beside it, and what there
    functions: dict[str, Function] = field(default_factory=dict)
    twins: dict[str, set[str]] = field(default_factory=dict)  # names that change with a name

    @property
    def package(self) -> str:
        """The package that its imports with dots start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def text(self) -> str:
        """What is kept, as text."""
        return ast.unparse(ast.Module(self.body, [])) + "\n"

    def read(self) -> None:
        """Read the file."""
        for statement in _tree(_source(self.path), self.path.name).body:
            if _defines(statement) and changed_in(statement) <= self.names - self.libraries.keys():
                self.body.append(statement)
                self._add(statement)
                continue
            line, new = _Line(statement.lineno, self.path.name), names_set(statement)
            changes = changes_of(statement, self.function) | self._by_methods(statement) | self._handed_on(statement)
            if any(CLASS in each.split(".") for each in changes):
                changes |= self._classes()
            gone = {
                self._owner(each, line) for each in changes if root(each) not in new and CLASS not in each.split(".")
            }
            self._forget(self._with_twins(gone) | new, line)

    def _forget(self, names: set[str], line: _Line) -> None:
        """Let names stand for nothing from here on, as a line, which is left out, would have set or changed them."""
        self.left_out |= dict.fromkeys(names - {""}, line)
        self.body += [ast.Delete([ast.Name(name, ast.Del())]) for name in sorted(names & self.names)]
        self._drop(names)

    def _drop(self, names: set[str]) -> None:
        """What was known of these names is so no longer."""
        self.names -= names
        self.constants -= names
        for known in (self.libraries, self.besides, self.functions):
            for name in [each for each in known if root(each) in names]:
                del known[name]

    def _owner(self, change: str, line: _Line) -> str:
        """The name here whose value a change is of; empty where it is of none. ValueError as for `extract`."""
        home, sign, inner = change.rpartition(":")
        if sign and (module := self.reader.beside(home)) is not None:
            module._forget({module._owner(inner, line)}, line)
            return ""
        if change == ANYTHING:
            words = "{line} may change anything, by exec() or by globals(); write out what it defines"
            raise ValueError(say(words, line=line.said()))
        name, _, rest = change.partition(".")
        if name in self.names - self.libraries.keys() or name in self.left_out:
            return name
        place = self.libraries.get(name) or (f"{self.libraries[STAR]}.{name}" if STAR in self.libraries else "")
        place = f"{place}.{rest}".rstrip(".") if place else ""
        if place.endswith(CALLED.strip(".")) or _lies_in(place, SETTINGS):
            return ""
        if _lies_in(place, SHARED):
            words = "{line} changes {what}, which all networks here share; change it within a class of your own"
            raise ValueError(say(words, line=line.said(), what=place))
        return name

    def _by_methods(self, statement: ast.stmt) -> set[str]:
        """The constants that a method of theirs may change: CONFIG of CONFIG.update(…)"""
        calls = [each.func for each in at_level(statement) if isinstance(each, ast.Call)]
        return {root_of(call) for call in calls if isinstance(call, ast.Attribute)} & self.constants

    def _handed_on(self, statement: ast.stmt) -> set[str]:
        """The classes that are handed to what was left out, and may change them."""
        calls = [each for each in at_level(statement) if isinstance(each, ast.Call)]
        unknown = [call for call in calls if root_of(call.func) in self.left_out.keys() - self.names]
        given = {value.id for call in unknown for value in call.args if isinstance(value, ast.Name)}
        return given & self._classes()

    def _classes(self) -> set[str]:
        """The classes that are defined here."""
        return {each.name for each in self.body if isinstance(each, ast.ClassDef)} & self.names

    def _with_twins(self, names: set[str]) -> set[str]:
        """These names, and those that stand for the same, or for classes that are made of them."""
        found, waiting = set(names), list(names)
        while waiting:
            new = self.twins.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    # What is known of the names

    def _add(self, statement: ast.stmt) -> None:
        """Note what a statement that is kept defines."""
        new = names_set(statement)
        self._drop(new)
        self.names |= new
        for each in at_level(statement):
            if isinstance(each, ast.Import | ast.ImportFrom):
                self._add_import(each)
        self.functions |= functions_in(statement, self.function)
        if isinstance(statement, ast.ClassDef):
            for base in map(dotted, statement.bases):
                self.twins.setdefault(base, set()).add(statement.name)
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            alias = dotted(statement.value) if statement.value is not None else ""
            for one in {*new, alias} - {""}:
                self.twins.setdefault(one, set()).update({*new, alias} - {one, ""})
            if function := self.function(alias):
                self.functions |= dict.fromkeys(new, function)
            if place := self.libraries.get(root(alias)):
                self.libraries |= dict.fromkeys(new, place + alias.removeprefix(root(alias)))
            else:
                self.constants |= new

    def _add_import(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Note where the names come from that an import sets."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                name = alias.asname or alias.name
                if self.reader.is_beside(alias.name):
                    self.besides[name] = (alias.name, "")
                else:
                    self.libraries[root(name)] = alias.name if alias.asname else root(name)
            return
        base = absolute(statement.module or "", statement.level, self.package)
        beside = bool(statement.level) or self.reader.is_beside(base)
        for alias in statement.names:
            name, whole = alias.asname or alias.name, f"{base}.{alias.name}".lstrip(".")
            if not beside:
                self.libraries[name] = base if alias.name == STAR else whole
            elif alias.name == STAR and (module := self.reader.beside(base)) is not None:
                self.names |= module.names
                self.libraries |= module.libraries
                self.besides |= {each: (base, each) for each in module.names - module.libraries.keys()}
            else:
                self.besides[name] = (whole, "") if _beside(self.reader.folder, whole) else (base, alias.name)

    def function(self, name: str) -> Function | None:
        """The function that some names lead to, here or in a module beside the file."""
        if name in self.functions:
            return self.functions[name]
        for first in (name, *_parents(name)):
            if first in self.besides:
                home, there = self.besides[first]
                module, inner = self.reader.beside(home), f"{there}{name.removeprefix(first)}".lstrip(".")
                found = module.function(inner) if module is not None else None
                return replace(found, home=found.home or home) if found else None
        return None


def _lies_in(place: str, parts: tuple[str, ...]) -> bool:
    """Whether a place in a library is one of these parts of libraries, or within one."""
    return any(place == part or place.startswith(f"{part}.") for part in parts)


def _tree(text: str, what: str) -> ast.Module:
    """The syntax tree of a text; ValueError where it has none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = str(error)
        if isinstance(error, SyntaxError):
            why = say("line {n}: {why}", n=error.lineno, why=error.msg)
        raise ValueError(
            say("{what} is no Python that can be read here ({why}); mend it", what=what, why=why)
        ) from None


def _source(path: Path) -> str:
    """The Python in a file: a notebook's code cells one after another, without the lines for the shell."""
    if path.suffix not in CODE:
        words = "{file} is neither a .py nor an .ipynb file, in which networks are written"
        raise ValueError(say(words, file=path.name))
    if not path.is_file():
        raise ValueError(say("there is no file {path}", path=path))
    if path.stat().st_size > LARGEST:
        words = "{file} is {size:.0f} MB, too much for code; name the file itself"
        raise ValueError(say(words, file=path.name, size=path.stat().st_size / 1e6))
    if path.suffix == ".py":
        try:
            with tokenize.open(path) as file:
                return file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            words = "{file} is no text ({why}); save it as UTF-8"
            raise ValueError(say(words, file=path.name, why=str(error))) from error
    return "\n".join(_cells(path))


def _cells(path: Path) -> Iterator[str]:
    try:
        cells = json.loads(path.read_bytes())["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        words = "{file} is no notebook ({why}); save it again as .ipynb"
        raise ValueError(say(words, file=path.name, why=str(error))) from error
    for number, text in enumerate(texts, start=1):
        first, _, rest = text.lstrip().partition("\n")
        if first.startswith("%%") and first.split()[0] not in PYTHON_CELLS:
            continue
        cell = rest if first.startswith("%%") else text
        try:
            _tree(cell, path.name)
        except ValueError:
            cell = _without_magic(cell)
            _tree(cell, say("code cell {n} of {file}", n=number, file=path.name))
        yield cell


def _without_magic(cell: str) -> str:
    """A cell without the lines that only a notebook can read; of a name that one sets, only that it is set.

    A file that one runs is a module beside it.
    """
    lines, before = [], ""  # the line before, where it is such a one
    for line in cell.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if found := RUNS.match(line):
            lines.append(f"{indent}from {found[1].replace('/', '.')} import *")
        elif found := MAGIC_SETS.match(line):
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
