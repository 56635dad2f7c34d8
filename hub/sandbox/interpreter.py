"""A small language for programs that call tools: a piece of Python, walked, never handed to Python itself."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from hub.sandbox.expressions import Expressions, Return, Scope
from hub.sandbox.values import JSON, ProgramError, as_json, functions, items_of

MOST_PRINTED = 256 * 1024  # characters


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Interpreter(Expressions):
    """Runs one program. `tools` maps names to functions that call tools; what is printed is in `printed`."""

    def __init__(self, tools: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.printed: list[str] = []
        self._printed = 0
        builtins = Scope()
        gather: Callable[..., list[Any]] = lambda *values: list(values)  # noqa: E731 - a value among values
        builtins.names = {**functions(), "json": JSON, "print": self._print, "gather": gather, **tools}
        self._globals = Scope(builtins)
        self._statements: Mapping[type[ast.stmt], Callable[[Any, Scope], None]] = {
            ast.AnnAssign: self._annotated,
            ast.Assert: self._assert,
            ast.Assign: self._assign,
            ast.AsyncFunctionDef: self._define,
            ast.AugAssign: self._augment,
            ast.Break: self._break,
            ast.Continue: self._continue,
            ast.Delete: self._delete,
            ast.Expr: self._expression,
            ast.For: self._for,
            ast.FunctionDef: self._define,
            ast.If: self._if,
            ast.Pass: self._pass,
            ast.Raise: self._raise,
            ast.Return: self._return,
            ast.Try: self._try,
            ast.While: self._while,
        }

    def run(self, program: str) -> Any:
        """The value of the program's last expression, of `result`, or of its `return`, as JSON can say it.

        Raises SyntaxError, ProgramError, or what the program itself raises.
        """
        tree = compile(program, "program", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        last = None
        try:
            for statement in tree.body:
                last = None
                if isinstance(statement, ast.Expr):
                    last = self.value(statement.value, self._globals)
                else:
                    self.run_body([statement], self._globals)
        except Return as returned:
            return as_json(returned.value)
        except (_Break, _Continue):
            raise ProgramError("break and continue stand in a loop") from None
        return as_json(self._globals.names.get("result") if last is None else last)

    def _print(self, *values: Any, sep: str = " ", end: str = "\n") -> None:
        text = sep.join(str(value) for value in values) + end
        self._printed += len(text)
        if self._printed > MOST_PRINTED:
            raise ProgramError(f"more than {MOST_PRINTED} characters are printed")
        self.printed.append(text)

    def run_body(self, body: list[ast.stmt], scope: Scope) -> None:
        """Run statements one after the other."""
        for node in body:
            self.step()
            run = self._statements.get(type(node))
            if run is None:
                name = type(node).__name__.lower()
                raise ProgramError(f"line {node.lineno}: '{name}' does not exist in this language")
            run(node, scope)

    def _expression(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def _pass(self, node: ast.Pass, scope: Scope) -> None:
        return

    def _break(self, node: ast.Break, scope: Scope) -> None:
        raise _Break

    def _continue(self, node: ast.Continue, scope: Scope) -> None:
        raise _Continue

    def _return(self, node: ast.Return, scope: Scope) -> None:
        raise Return(self.value(node.value, scope) if node.value else None)

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)

    def _annotated(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value, scope), scope)

    def _augment(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            before = scope.find(node.target.id)
        elif isinstance(node.target, ast.Subscript):
            before = self.value(node.target.value, scope)[self.value(node.target.slice, scope)]
        else:
            raise ProgramError("values are assigned to names and items only")
        self.assign(node.target, self.binary(node.op, before, self.value(node.value, scope)), scope)

    def _delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                scope.names.pop(target.id, None)
            elif isinstance(target, ast.Subscript):
                del self.value(target.value, scope)[self.value(target.slice, scope)]
            else:
                raise ProgramError("only names and items can be deleted")

    def _if(self, node: ast.If, scope: Scope) -> None:
        self.run_body(node.body if self.value(node.test, scope) else node.orelse, scope)

    def _while(self, node: ast.While, scope: Scope) -> None:
        while self.value(node.test, scope):
            try:
                self.run_body(node.body, scope)
            except _Break:
                return
            except _Continue:
                continue
        self.run_body(node.orelse, scope)

    def _for(self, node: ast.For, scope: Scope) -> None:
        for value in items_of(self.value(node.iter, scope)):
            self.step()
            self.assign(node.target, value, scope)
            try:
                self.run_body(node.body, scope)
            except _Break:
                return
            except _Continue:
                continue
        self.run_body(node.orelse, scope)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        if node.decorator_list:
            raise ProgramError("decorators do not exist in this language")
        scope.names[node.name] = self.function(node.name, node.args, node.body, scope)

    def _raise(self, node: ast.Raise, scope: Scope) -> None:
        error = self.value(node.exc, scope) if node.exc else RuntimeError("raised")
        if isinstance(error, type):
            error = error()
        if not isinstance(error, Exception):
            raise TypeError("only errors can be raised")
        raise error

    def _assert(self, node: ast.Assert, scope: Scope) -> None:
        if not self.value(node.test, scope):
            raise RuntimeError(str(self.value(node.msg, scope)) if node.msg else "an assertion does not hold")

    def _try(self, node: ast.Try, scope: Scope) -> None:
        try:
            self._tried(node, scope)
        finally:
            self.run_body(node.finalbody, scope)

    def _tried(self, node: ast.Try, scope: Scope) -> None:
        try:
            self.run_body(node.body, scope)
        except (ProgramError, MemoryError, RecursionError, Return, _Break, _Continue):
            raise
        except Exception as error:  # noqa: BLE001 - the program's own errors, for the program's own handlers
            self._caught(node, error, scope)
        else:
            self.run_body(node.orelse, scope)

    def _caught(self, node: ast.Try, error: Exception, scope: Scope) -> None:
        for handler in node.handlers:
            kinds = self.value(handler.type, scope) if handler.type else Exception
            if isinstance(error, kinds):
                if handler.name:
                    scope.names[handler.name] = error
                self.run_body(handler.body, scope)
                return
        raise error
