"""A network that users wrote themselves: its code, and how it is run.

The code is what `own.extracting` kept of a file: imports, definitions and constants. It is run when its network is
built, and only then; whoever imported it asked for that.
"""

import __future__

import ast
import builtins
import contextlib
import hashlib
import inspect
import io
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import nn

from explorer.language.saying import listed, say

_QUIET = threading.RLock()  # one thread at a time, as the streams are the whole process's
MAIN = ""  # the module that the file itself is; those beside it have names


@dataclass(frozen=True)
class Code:
    """The texts of a file and of the modules beside it that it imports, by name; `packages` hold others."""

    file: str  # its name
    modules: Mapping[str, str]
    packages: tuple[str, ...] = ()

    def text(self) -> str:
        """The code as a checkpoint keeps it."""
        fields = {"file": self.file, "modules": dict(sorted(self.modules.items())), "packages": list(self.packages)}
        return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"

    @property
    def sha256(self) -> str:
        """Of `text()`, by which a card knows it."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def code_from(text: str) -> Code:
    """What `Code.text` wrote; ValueError where it is something else."""
    try:
        fields = json.loads(text)
        modules = {str(name): str(code) for name, code in dict(fields["modules"]).items()}
        return Code(str(fields["file"]), {MAIN: modules.pop(MAIN), **modules}, tuple(map(str, fields["packages"])))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(say("is no code of a network; import the network again")) from error


@dataclass
class Running:
    """The modules of a code that have run; `missing` says of a name that could not be set why that was."""

    code: Code
    missing: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, ModuleType] = field(default_factory=dict)

    def module(self, name: str = MAIN) -> ModuleType:
        """The module of that name, run the first time that it is asked for, as `import` does."""
        if name in self._modules:
            return self._modules[name]
        full = f"own_{self.code.sha256[:16]}.{name or 'main'}"
        module = self._modules[name] = sys.modules[full] = ModuleType(full)  # dataclasses look themselves up there
        package = name if name in self.code.packages else name.rpartition(".")[0]
        own = {"__import__": self._import, "print": _print_nothing}
        vars(module).update(__file__=self.code.file, __package__=package, __builtins__={**vars(builtins), **own})
        tree = ast.parse(self.code.modules.get(name, ""))
        for statement in tree.body:
            self._run(statement, module, _future(tree))
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(self.module(parent), last, module)
        return module

    def _run(self, statement: ast.stmt, module: ModuleType, flags: int) -> None:
        """One statement. One that fails, but for a class, is missed only by what needs it, if anything does.

        What the names that it would have set stood for before is gone, too, as it is not what the file means by them.
        """
        where = f"<{self.code.file}>"
        try:
            code = compile(ast.Module([statement], []), where, "exec", flags, dont_inherit=True)
            exec(code, vars(module))  # the user asked for it
        except Exception as error:
            if isinstance(statement, ast.ClassDef):
                raise
            words = ast.unparse(statement).splitlines()[0][:80]
            imports = isinstance(statement, ast.Import | ast.ImportFrom | ast.Try)
            fix = say(
                "`{line}` fails ({reason}); install what is missing, or put it beside the file"
                if imports
                else "`{line}` fails ({reason}); mend that, or set a constant",
                line=words,
                reason=_said(error),
            )
            for name in names_set(statement) | changed_in(statement):
                vars(module).pop(name, None)
                self.missing[name] = fix

    def _import(
        self,
        name: str,
        given: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What an `import` in the code gives: a module that came with it, before one that is installed."""
        full = absolute(name, level, (given or {}).get("__package__") or "")
        if not self._has(full):
            if level:
                raise ImportError(say("no module {full!r} lies beside it", full=full or "."))
            return __import__(name, given, local, wanted or (), level)
        for parent in [".".join(full.split(".")[: end + 1]) for end in range(full.count(".") + 1)]:
            self.module(parent)
        for each in wanted or ():
            if self._has(f"{full}.{each}"):
                self.module(f"{full}.{each}")
        return self.module(full if wanted else full.partition(".")[0])

    def _has(self, full: str) -> bool:
        """Whether a module came with the code, or is a folder of some that did."""
        return bool(full) and (
            full in self.code.modules or any(each.startswith(f"{full}.") for each in self.code.modules)
        )


def _print_nothing(*_: object, **__: object) -> None:
    """What `print` does in the code, as a command's output may be read by another."""


def absolute(name: str, level: int, package: str) -> str:
    """A module's full name, of one that is imported from within `package` with `level` dots before its name."""
    if not level:
        return name
    parts = package.split(".") if package else []
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [name])])


def at_level(node: ast.AST) -> Iterator[ast.AST]:
    """What a statement or an expression is made of, but for what it only defines: the insides of functions, classes and
    lambdas, and the names within a comprehension."""
    yield node
    parts: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        parts = node.decorator_list
    elif isinstance(node, ast.Lambda):
        parts = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.comprehension):
        parts = [node.iter, *node.ifs]
    for part in parts:
        yield from at_level(part)


def names_set(statement: ast.stmt) -> set[str]:
    """The names that a statement sets, or deletes, where it stands."""
    found = set()
    for each in at_level(statement):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            found.add(each.id)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(each.name)
        elif isinstance(each, ast.alias):
            found.add((each.asname or each.name).partition(".")[0])
        elif isinstance(each, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and each.name:
            found.add(each.name)
        elif isinstance(each, ast.MatchMapping) and each.rest:
            found.add(each.rest)
    return found


def changed_in(statement: ast.stmt) -> set[str]:
    """The names a part of whose values a statement sets or deletes: Net of Net.forward = …, CONF of CONF["a"] = …"""
    parts = [each for each in at_level(statement) if isinstance(each, ast.Attribute | ast.Subscript)]
    return {root_of(each) for each in parts if not isinstance(each.ctx, ast.Load)} - {""}


def root_of(value: ast.expr) -> str:
    """The name that an expression such as a.b["c"] begins with; empty where it begins with something else."""
    while isinstance(value, ast.Attribute | ast.Subscript):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def _future(tree: ast.Module) -> int:
    """What a module's `from __future__ import …` say to the compiler of its other statements."""
    imports = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == "__future__"]
    names = {alias.name for each in imports for alias in each.names}
    return sum(getattr(__future__, name).compiler_flag for name in names if hasattr(__future__, name))


# From code to network


def build_own(
    code: Code, name: str, options: Mapping[str, Any], left_out: Mapping[str, str] | None = None
) -> nn.Module:
    """The network that the class or function `name` of the code gives, called with these options.

    Raises ValueError, in one sentence, for whatever goes wrong on the way; `left_out` are the lines that were
    not taken, by the names that they would have set. What the code prints is dropped.
    """
    running = Running(code)
    try:
        with _QUIET, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            made = _factory(running, name, options, left_out or {})(**options)
    except ValueError as error:
        if isinstance(error, RefusalError):
            raise
        raise ValueError(say("{file}: {reason}", file=code.file, reason=_said(error))) from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        reason = why(error, code.file, running.missing, left_out or {})
        raise ValueError(say("{file}: {reason}", file=code.file, reason=reason)) from error
    if not isinstance(made, nn.Module):
        raise ValueError(
            say(
                "{name} of {file} gives a {kind}, not an nn.Module; name one that does",
                name=name,
                file=code.file,
                kind=type(made).__name__,
            )
        )
    return made


class RefusalError(ValueError):
    """A sentence of ours, among what a student's code raises."""


def _factory(
    running: Running, name: str, options: Mapping[str, Any], left_out: Mapping[str, str]
) -> Callable[..., Any]:
    """The class or function, which takes the options."""
    found, file = getattr(running.module(), name, None), running.code.file
    if not callable(found):
        if name in running.missing or name in left_out:
            reason = why(NameError(name=name), file, running.missing, left_out)
            raise RefusalError(say("{file}: {reason}", file=file, reason=reason))
        there = listed(candidates(running)) or say("nothing that gives a network")
        raise RefusalError(
            say("{file} has no class or function {name!r}; it has: {there}", file=file, name=name, there=there)
        )
    if inspect.isclass(found) and not issubclass(found, nn.Module):
        there = listed(candidates(running)) or say("no nn.Module at all")
        raise RefusalError(say("{name} of {file} is no nn.Module; it has: {there}", name=name, file=file, there=there))
    signature = inspect.signature(found)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise RefusalError(
            say(
                "{name} of {file} takes {name}{signature} ({reason}); give its arguments, such as --set {example}",
                name=name,
                file=file,
                signature=str(signature),
                reason=str(error),
                example=_example(signature, options),
            )
        ) from error
    return found


def _example(signature: inspect.Signature, options: Mapping[str, Any]) -> str:
    """An argument that is missing, or else the first there is."""
    required = [each for each in signature.parameters.values() if each.default is each.empty]
    lacking = [each.name for each in required if each.name not in options]
    return f"{(lacking or list(signature.parameters) or ['num_classes'])[0]}=10"


def required(code: Code, name: str) -> list[str]:
    """The arguments without which the class or function cannot be called; none where there is no such thing."""
    found = getattr(Running(code).module(), name, None)
    if not callable(found):
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(found).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind in kinds]


def missing_in(code: Code) -> dict[str, str]:
    """What the code could not set, and why; what else goes wrong in it is left to whoever runs it."""
    running = Running(code)
    with contextlib.suppress(Exception):
        running.module()
    return running.missing


def candidates(running: Running) -> list[str]:
    """The networks that a file defines: nn.Modules that no other is made of, and functions that return one."""
    tree = ast.parse(running.code.modules[MAIN])
    home, found = running.module(), vars(running.module())
    classes = {
        name: value
        for name, value in found.items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == home.__name__
    }
    defined = [each for each in tree.body if isinstance(each, ast.ClassDef | ast.FunctionDef)]
    parts = {
        other.id
        for each in defined
        if each.name in classes
        for other in ast.walk(each)
        if isinstance(other, ast.Name) and other.id != each.name
    }
    functions = [each for each in defined if isinstance(each, ast.FunctionDef) and _returns_one_of(each, classes)]
    made = {other.id for each in functions for other in ast.walk(each) if isinstance(other, ast.Name)}
    whole = [name for name in classes if name not in parts | made]
    return [*whole, *(each.name for each in functions)]


def _returns_one_of(function: ast.FunctionDef, classes: Mapping[str, type]) -> bool:
    """Whether a function returns a call of one of these classes."""
    calls = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
    return any(
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in classes for call in calls
    )


def why(error: BaseException, file: str, missing: Mapping[str, str], left_out: Mapping[str, str]) -> str:
    """What went wrong in a student's code, in a few words, with the fix where it is one of the usual ones."""
    if isinstance(error, SystemExit):
        return say("it calls exit() while the network is built; take that out")
    if isinstance(error, EOFError):
        return say("it asks for input() while the network is built; take that out, or give a value by --set")
    if isinstance(error, NameError | AttributeError) and error.name:
        if error.name in left_out:
            return say(
                "it needs {name}, which {line} sets by running code; only imports, classes, functions and constants "
                "are taken, so set it within the class, or to a constant",
                name=error.name,
                line=left_out[error.name],
            )
        if error.name in missing and isinstance(error, NameError):
            return say("it needs {name}, but {reason}", name=error.name, reason=missing[error.name])
    said = _said(error)
    if "CUDA" in said or "cuda" in said or "NVIDIA" in said:
        return say("it needs CUDA ({reason}); take .cuda() and .to('cuda') out of what builds the network", reason=said)
    return said


def _said(error: BaseException) -> str:
    """An error of foreign code in one line of bounded length."""
    words = " ".join(str(error).split())
    short = words if len(words) <= 200 else f"{words[:200]}…"
    return f"{type(error).__name__}: {short}" if short else type(error).__name__
