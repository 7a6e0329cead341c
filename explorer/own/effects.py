"""What running a statement may change besides the names that it sets, by its code and that of what it calls.

A change is told by the names that lead to what changes: "Net.forward" of Net.forward = …, "CONFIG" of CONFIG["a"] = …
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from explorer.networks.code import at_level

ANYTHING = "*"  # what exec, or a name that is computed, may change
ALL_NAMES = ("globals", "locals", "vars")  # without arguments: the names of the module
CHANGING = {  # methods that change the list, the dict or the set they are called on
    "__setitem__", "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse",
    "setdefault", "sort", "update",
}  # fmt: skip
CLASS = "__class__"  # in a change: of the class of something
IN_PLACE = ("delitem", "heapify", "setitem", "shuffle")  # functions of libraries that change their first argument
KINDS = ("dict", "list", "set")  # whose methods may be called with the object as first argument
PASSING = ("enumerate", "list", "map", "reversed", "sorted", "tuple", "zip")  # that give what they are given
FOR_ALL = "register_module_"  # torch's functions that change every module begin so
CALLED = ".()"  # behind what a method of its own changes, as nothing of a library is

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Function:
    """A function that a statement may call."""

    code: Definition
    known: "Lookup"  # what it calls itself
    bound: str | None = None  # what its first argument is where no call gives it: the class; "" an object of it
    home: str = ""  # the module beside the file that it lies in


Lookup = Callable[[str], Function | None]  # the function that some names lead to, such as "Net.make"


def dotted(value: ast.expr) -> str:
    """The names that an expression such as a.b["c"].d begins with: "a.b"; empty where it begins with another."""
    parts: list[str] = []
    while isinstance(value, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(value, ast.Call):
            if not isinstance(value.func, ast.Name) or value.func.id != "type" or len(value.args) != 1:
                return CLASS if parts[:1] == [CLASS] else ""
            parts, value = [CLASS, *parts], value.args[0]
        else:
            parts = [value.attr, *parts] if isinstance(value, ast.Attribute) else []
            value = value.value
    return ".".join([value.id, *parts]) if isinstance(value, ast.Name) else ""


def root(change: str) -> str:
    """The name that a change begins with."""
    return change.partition(".")[0]


def functions_in(statement: ast.stmt, known: Lookup) -> dict[str, Function]:
    """What can be called once a statement has run, by its names: functions, constructors, and methods of classes."""
    found: dict[str, Function] = {}
    for each in at_level(statement):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            found[each.name] = Function(each, known)
        elif isinstance(each, ast.ClassDef):
            found |= _methods(each, known)
        elif isinstance(each, ast.Assign) and (made := _made(each.value)) is not None:
            found |= {dotted(target): Function(made, known) for target in each.targets}
    return found


def _made(value: ast.expr) -> ast.Lambda | None:
    """The function that an expression makes, if it makes one: a lambda, or what partial() makes, as a lambda."""
    if isinstance(value, ast.Lambda):
        return value
    if not isinstance(value, ast.Call) or dotted(value.func).rpartition(".")[2] != "partial" or not value.args:
        return None
    function, *given = map(ast.unparse, value.args)
    named = map(ast.unparse, value.keywords)
    call = f"({function})({', '.join([*given, '*args', *named, '**kwargs'])})"
    made = ast.parse(f"lambda *args, **kwargs: {call}", mode="eval").body
    assert isinstance(made, ast.Lambda)
    return made


def _function_of(value: ast.expr, known: Lookup) -> Function | None:
    """The function that is called, where it is known."""
    made = _made(value)
    return known(dotted(value)) if made is None else Function(made, known)


def _methods(kind: ast.ClassDef, known: Lookup) -> dict[str, Function]:
    """What a class can be called with: its constructor, and the methods that need no object."""
    found = {}
    for method in kind.body:
        if isinstance(method, ast.FunctionDef):
            decorators = {dotted(each) for each in method.decorator_list}
            if method.name == "__init__":
                found[kind.name] = Function(method, known, "")
            elif "classmethod" in decorators:
                found[f"{kind.name}.{method.name}"] = Function(method, known, kind.name)
            elif "staticmethod" in decorators:
                found[f"{kind.name}.{method.name}"] = Function(method, known)
    return found


def changes_of(statement: ast.stmt, known: Lookup) -> set[str]:
    """What a statement may change where it stands, by what it sets and by what it calls."""
    return set(_changes(at_level(statement), known, ())) - {""}


def _changes(nodes: Iterable[ast.AST], known: Lookup, seen: tuple[Definition, ...]) -> Iterator[str]:
    """What these nodes change, by all names under which it may be known."""
    nodes = list(nodes)
    others = _other_names(nodes)
    for change in _by_its_names(nodes, known, seen):
        yield change
        for other in _all_of(root(change), others):
            yield other + change.removeprefix(root(change))


def _other_names(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """What else a name may stand for: of d = c, and of for d in (c, …)"""
    found: dict[str, set[str]] = {}
    for each in nodes:
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(each, ast.Assign):
            pairs = [(target, each.value) for target in each.targets]
        elif isinstance(each, ast.For | ast.comprehension):
            pairs = [(each.target, each.iter)]
        for target, value in pairs:
            names = [part.id for part in ast.walk(target) if isinstance(part, ast.Name)]
            for name in names if isinstance(target, ast.Name | ast.Tuple) else []:
                found.setdefault(name, set()).update(_elements(value))
    return found


def _elements(value: ast.expr) -> set[str]:
    """The names that lead to what an expression gives, or to what that holds."""
    if isinstance(value, ast.Tuple | ast.List | ast.Set):
        return set().union(*map(_elements, value.elts))
    if isinstance(value, ast.Call) and dotted(value.func) in PASSING:
        return set().union(*map(_elements, value.args))
    if isinstance(value, ast.Starred):
        return _elements(value.value)
    return {dotted(value)} - {""}


def _all_of(name: str, others: dict[str, set[str]]) -> set[str]:
    """All that a name may stand for besides itself, over any number of steps."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = others.get(root(waiting.pop()), set()) - found - {name}
        found |= new
        waiting += new
    return found


def _by_its_names(nodes: Iterable[ast.AST], known: Lookup, seen: tuple[Definition, ...]) -> Iterator[str]:
    for each in nodes:
        if isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load):
            yield _set_by_name(each) if _is_all_names(each.value) else dotted(each)
        elif isinstance(each, ast.Call):
            yield from _by_builtin(each)
            function = _function_of(each.func, known)
            if function is None and dotted(each.func) in ("map", "filter") and each.args:
                function = _function_of(each.args[0], known)
                each = ast.Call(each.func, each.args[1:], [])
            if function is not None and function.code not in seen:
                yield from _by_function(each, function, seen)


def _set_by_name(target: ast.Attribute | ast.Subscript) -> str:
    """The name that is set in globals()["NAME"] = …"""
    key = target.slice if isinstance(target, ast.Subscript) else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ANYTHING


def _is_all_names(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and dotted(value.func) in ALL_NAMES and not value.args


def _by_builtin(call: ast.Call) -> Iterator[str]:
    """What the language's own functions and methods change."""
    name = dotted(call.func)
    if name in ("exec", "builtins.exec"):
        yield ANYTHING
    elif name in ("setattr", "delattr", "type.__setattr__") and call.args:
        keys = [str(each.value) for each in call.args[1:2] if isinstance(each, ast.Constant)]
        yield ".".join(filter(None, [dotted(call.args[0]), *keys]))
    elif call.args and (
        name.rpartition(".")[2] in IN_PLACE or (root(name) in KINDS and name.rpartition(".")[2] in CHANGING)
    ):
        yield dotted(call.args[0]) + CALLED
    elif name.rpartition(".")[2].startswith(FOR_ALL):
        yield name
    elif isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING:
        yield ANYTHING if _is_all_names(call.func.value) else f"{dotted(call.func.value)}{CALLED}".lstrip(".")


def _by_function(call: ast.Call, function: Function, seen: tuple[Definition, ...]) -> Iterator[str]:
    """What a call of a function changes: of the names that it knows, and of its arguments."""
    given = _arguments(call, function)
    for change in _inside(function, seen):
        first, dot, rest = change.partition(".")
        if first in given:
            yield from (f"{each}{dot}{rest}" for each in given[first])
            if CLASS in rest.split("."):
                yield CLASS  # of an object that no name leads to
        else:
            yield f"{function.home}:{change}" if function.home and ":" not in change else change


def _inside(function: Function, seen: tuple[Definition, ...]) -> Iterator[str]:
    """What running a function's body changes that is not its own: its parameters, and names of its module."""
    body = function.code.body if isinstance(function.code.body, list) else [function.code.body]
    nodes = [each for part in body for each in ast.walk(part)]
    shared = {name for each in nodes if isinstance(each, ast.Global) for name in each.names}
    stored = {each.id for each in nodes if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
    inner = {each.arg for each in nodes if isinstance(each, ast.arg)}  # parameters of functions within it
    yield from shared & stored
    own = (stored | inner) - shared - set(_parameters(function.code))
    for change in _changes(nodes, function.known, (*seen, function.code)):
        if root(change) not in own:
            yield change
        elif CLASS in change.split("."):
            yield CLASS


def _arguments(call: ast.Call, function: Function) -> dict[str, set[str]]:
    """The names that lead to what each parameter of a function stands for in a call; none for what has no name."""
    of = function.code.args
    given: dict[str, set[str]] = {name: set() for name in _parameters(function.code)}
    places = [each.arg for each in (*of.posonlyargs, *of.args)]
    if function.bound is not None and places:
        given[places.pop(0)] = {function.bound} - {""}
    for number, value in enumerate(call.args):
        behind = of.vararg.arg if of.vararg else ""
        ahead = [*places[number:], behind] if isinstance(value, ast.Starred) else [*places[number:], behind][:1]
        for name in ahead:
            given.setdefault(name, set()).update(_elements(value))
    for each in call.keywords:
        name = each.arg if each.arg in given else (of.kwarg.arg if of.kwarg else "")
        for one in [name or ""] if each.arg else [*given]:
            given.setdefault(one, set()).update(_elements(each.value))
    return given


def _parameters(function: Definition) -> list[str]:
    """The names of a function's parameters."""
    all_of = function.args
    several = filter(None, (all_of.vararg, all_of.kwarg))
    return [each.arg for each in (*all_of.posonlyargs, *all_of.args, *all_of.kwonlyargs, *several)]
