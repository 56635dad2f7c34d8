"""Expressions of the programs' language, worked out node by node."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hub.sandbox.values import ProgramError, bounded, items_of, method

MOST_STEPS = 2_000_000
MOST_DEPTH = 60
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}


def _times(one: Any, other: Any) -> Any:
    for value, factor in ((one, other), (other, one)):
        is_repeated = isinstance(value, str | list | tuple) and isinstance(factor, int)
        if is_repeated and len(value) * max(factor, 0) > 1_000_000:
            raise ProgramError("a repetition makes more than a million items")
    return one * other


def _power(one: Any, other: Any) -> Any:
    if isinstance(one, int) and isinstance(other, int) and abs(other) * max(one.bit_length(), 1) > 8192:
        raise ProgramError("the power is too large")
    return one**other


def _left(one: Any, other: Any) -> Any:
    if isinstance(other, int) and other > 8192:
        raise ProgramError("the shift is too large")
    return one << other


def _modulo(one: Any, other: Any) -> Any:
    if isinstance(one, str):
        raise ProgramError("texts are formatted with f-strings here")
    return one % other


_NUMBER = re.compile(r"[0-9]+")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _modulo,
    ast.Pow: _power,
    ast.LShift: _left,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}


class Return(Exception):
    """A function, or the program, gives a value back."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Scope:
    """Names of one function, within those of the whole program."""

    __slots__ = ("names", "outer")

    def __init__(self, outer: "Scope | None" = None) -> None:
        self.names: dict[str, Any] = {}
        self.outer = outer

    def find(self, name: str) -> Any:
        """What a name stands for. Raises ProgramError."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        raise ProgramError(f"there is no '{name}' here")


class Expressions:
    """Works out expressions. Whoever knows statements says how a function's body runs."""

    def __init__(self) -> None:
        self._steps = 0
        self._depth = 0
        self._known: Mapping[type[ast.expr], Callable[[Any, Scope], Any]] = {
            ast.Attribute: self._attribute,
            ast.Await: lambda node, scope: self.value(node.value, scope),
            ast.BinOp: lambda node, scope: self.binary(
                node.op, self.value(node.left, scope), self.value(node.right, scope)
            ),
            ast.BoolOp: self._boolean,
            ast.Call: self._call,
            ast.Compare: self._compare,
            ast.Constant: self._constant,
            ast.Dict: self._dict,
            ast.DictComp: self._dict_of,
            ast.FormattedValue: self._formatted,
            ast.GeneratorExp: lambda node, scope: list(self._each(node, scope)),
            ast.IfExp: lambda node, scope: self.value(
                node.body if self.value(node.test, scope) else node.orelse, scope
            ),
            ast.JoinedStr: lambda node, scope: bounded("".join(str(self.value(one, scope)) for one in node.values)),
            ast.Lambda: lambda node, scope: self.function("lambda", node.args, [_returning(node.body)], scope),
            ast.List: lambda node, scope: bounded(self._several(node.elts, scope)),
            ast.ListComp: lambda node, scope: list(self._each(node, scope)),
            ast.Name: lambda node, scope: scope.find(node.id),
            ast.NamedExpr: self._named,
            ast.Set: lambda node, scope: set(self._several(node.elts, scope)),
            ast.SetComp: lambda node, scope: set(self._each(node, scope)),
            ast.Slice: self._slice,
            ast.Subscript: lambda node, scope: self.value(node.value, scope)[self.value(node.slice, scope)],
            ast.Tuple: lambda node, scope: tuple(self._several(node.elts, scope)),
            ast.UnaryOp: lambda node, scope: _UNARY[type(node.op)](self.value(node.operand, scope)),
        }

    def step(self) -> None:
        """Count one step. Raises ProgramError."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise ProgramError(f"the program takes more than {MOST_STEPS} steps")

    def run_body(self, body: list[ast.stmt], scope: Scope) -> None:
        """Run statements."""
        raise NotImplementedError

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """What an expression is worth."""
        self.step()
        work_out = self._known.get(type(node))
        if work_out is None:
            raise ProgramError(f"line {node.lineno}: '{type(node).__name__.lower()}' does not exist in this language")
        return work_out(node, scope)

    def binary(self, operation: ast.operator, one: Any, other: Any) -> Any:
        """What an operation makes of two values."""
        known = _BINARY.get(type(operation))
        if known is None:
            raise ProgramError(f"'{type(operation).__name__}' does not exist in this language")
        return bounded(known(one, other))

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Give a value to a name, to several, or to an item."""
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            values = list(items_of(value))
            if len(values) != len(target.elts):
                raise ValueError(f"{len(values)} values for {len(target.elts)} names")
            for one, inner in zip(target.elts, values, strict=True):
                self.assign(one, inner, scope)
        elif isinstance(target, ast.Subscript):
            holder = self.value(target.value, scope)
            if not isinstance(holder, list | dict):
                raise TypeError(f"a {type(holder).__name__} takes no items")
            holder[self.value(target.slice, scope)] = value
            bounded(holder)
        else:
            raise ProgramError("values are assigned to names and items only")

    def _constant(self, node: ast.Constant, _: Scope) -> Any:
        if node.value is not None and not isinstance(node.value, bool | int | float | str):
            raise ProgramError(f"a {type(node.value).__name__} does not exist in this language")
        return bounded(node.value)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        holder = self.value(node.value, scope)
        if isinstance(holder, dict) and node.attr in holder:
            return holder[node.attr]
        return method(holder, node.attr)

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        if isinstance(node.func, ast.Attribute):
            holder = self.value(node.func.value, scope)
            is_item = isinstance(holder, dict) and callable(holder.get(node.func.attr))
            called = holder[node.func.attr] if is_item else method(holder, node.func.attr)
        else:
            called = self.value(node.func, scope)
        values = self._several(node.args, scope)
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            given = self.value(keyword.value, scope)
            named |= given if keyword.arg is None else {keyword.arg: given}
        if not callable(called):
            raise TypeError(f"a {type(called).__name__} cannot be called")
        return bounded(called(*values, **named))

    def _several(self, nodes: list[ast.expr], scope: Scope) -> list[Any]:
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values += items_of(self.value(node.value, scope))
            else:
                values.append(self.value(node, scope))
        return values

    def _boolean(self, node: ast.BoolOp, scope: Scope) -> Any:
        value = None
        for one in node.values:
            value = self.value(one, scope)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        for operation, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node, scope)
            if not _COMPARE[type(operation)](left, right):
                return False
            left = right
        return True

    def _dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.value(value, scope)
            else:
                made[self.value(key, scope)] = self.value(value, scope)
        return bounded(made)

    def _dict_of(self, node: ast.DictComp, scope: Scope) -> dict[Any, Any]:
        return {
            self.value(node.key, inner): self.value(node.value, inner) for inner in self._turns(node.generators, scope)
        }

    def _each(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope) -> Iterator[Any]:
        return items_of(self.value(node.elt, inner) for inner in self._turns(node.generators, scope))

    def _turns(self, generators: list[ast.comprehension], scope: Scope) -> Iterator[Scope]:
        first, *others = generators
        for value in items_of(self.value(first.iter, scope)):
            self.step()
            inner = Scope(scope)
            self.assign(first.target, value, inner)
            if all(self.value(condition, inner) for condition in first.ifs):
                if others:
                    yield from self._turns(others, inner)
                else:
                    yield inner

    def _formatted(self, node: ast.FormattedValue, scope: Scope) -> str:
        value = self.value(node.value, scope)
        if node.conversion != -1:
            value = repr(value) if node.conversion in (ord("r"), ord("a")) else str(value)
        layout = str(self.value(node.format_spec, scope)) if node.format_spec else ""
        if not isinstance(value, bool | int | float | str):
            value = str(value)
        if any(int(number) > 1000 for number in _NUMBER.findall(layout)):
            raise ProgramError("a width of more than 1000 characters")
        return format(value, layout)

    def _named(self, node: ast.NamedExpr, scope: Scope) -> Any:
        value = self.value(node.value, scope)
        self.assign(node.target, value, scope)
        return value

    def _slice(self, node: ast.Slice, scope: Scope) -> slice:
        parts = (self.value(one, scope) if one else None for one in (node.lower, node.upper, node.step))
        return slice(*parts)

    def function(self, name: str, given: ast.arguments, body: list[ast.stmt], scope: Scope) -> Callable[..., Any]:
        """A function of the program's own."""
        if given.posonlyargs or given.vararg or given.kwarg:
            raise ProgramError("functions take plain arguments here, without * and **")
        names = [one.arg for one in given.args]
        known = {*names, *(one.arg for one in given.kwonlyargs)}
        first = len(names) - len(given.defaults)
        defaults = {names[first + index]: self.value(one, scope) for index, one in enumerate(given.defaults)}
        for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            if default is not None:
                defaults[one.arg] = self.value(default, scope)

        def call(*values: Any, **named: Any) -> Any:
            inner = Scope(scope)
            inner.names = {**defaults, **dict(zip(names, values, strict=False)), **named}
            if len(values) > len(names) or inner.names.keys() != known:
                raise TypeError(f"{name}() takes: {', '.join(sorted(known)) or 'nothing'}")
            return self._enter(body, inner)

        return call

    def _enter(self, body: list[ast.stmt], scope: Scope) -> Any:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ProgramError(f"functions call each other more than {MOST_DEPTH} deep")
        try:
            self.run_body(body, scope)
        except Return as returned:
            return returned.value
        finally:
            self._depth -= 1
        return None


def _returning(body: ast.expr) -> ast.stmt:
    return ast.copy_location(ast.Return(body), body)
