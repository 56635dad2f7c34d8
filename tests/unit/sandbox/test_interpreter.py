"""Programs: what the language has, and that nothing in it leads out of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sandbox import interpreter
from hub.sandbox.interpreter import Interpreter
from hub.sandbox.values import ProgramError, ToolError


def echo(*given, **arguments):
    if "fail" in arguments:
        raise ToolError(arguments["fail"])
    return {"got": {**(given[0] if given else {}), **arguments}}


def run(program):
    return Interpreter({"echo": echo}).run(program)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("1 + 2 * 3", 7),
        ("x = [3, 1, 2]\nx.sort()\nx", [1, 2, 3]),
        ("a, (b, c) = 1, (2, 3)\na + b + c", 6),
        ("result = {'a': 1}\nresult['a'] += 1", {"a": 2}),
        ("[x * y for x in range(3) if x for y in (1, 10)]", [1, 10, 2, 20]),
        ("{k: v for k, v in {'a': 1, 'b': None}.items() if v}", {"a": 1}),
        ("sum(n for n in range(5))", 10),
        ("f'{3.14159:.2f} {\"x\":>3} {[1]!r}'", "3.14   x [1]"),
        ("def f(n, *, by=2):\n  if n < 2: return n\n  return f(n - 1) + by\nf(4)", 7),
        ("(lambda x, y=1: x - y)(5)", 4),
        ("sorted([{'n': 2}, {'n': 1}], key=lambda r: r['n'], reverse=True)", [{"n": 2}, {"n": 1}]),
        ("n = 0\nwhile True:\n  n += 1\n  if n == 3: continue\n  if n > 4: break\nn", 5),
        ("for i in []:\n  pass\nelse:\n  i = 'none'\ni", "none"),
        ("echo(a=1)['got']['a']", 1),
        ("echo({'a': 1}, b=2).got", {"a": 1, "b": 2}),
        ("await echo(b=2)", {"got": {"b": 2}}),
        ("async def f(): return await echo(c=1)\n(await gather(f(), f()))[1]", {"got": {"c": 1}}),
        ("try:\n  echo(fail='no')\nexcept ToolError as error:\n  r = str(error)\nfinally:\n  s = 1\n[r, s]", ["no", 1]),
        ("try:\n  {}['x']\nexcept (ValueError, KeyError):\n  r = 'caught'\nr", "caught"),
        ("try:\n  raise ValueError('v')\nexcept Exception as e:\n  x = str(e)\nx", "v"),
        ("isinstance(1, (str, int)), isinstance('', int), isinstance([], list)", [True, False, True]),
        ("json.loads(json.dumps({'a': [1, None]}))", {"a": [1, None]}),
        ("x = 5 if 1 < 2 <= 2 else 6\ny = x and 0 or 7\n[x, y, not y]", [5, 7, False]),
        ("list(zip('ab', [1, 2])) + list(enumerate(['c'], 1))", [["a", 1], ["b", 2], [1, "c"]]),
        ("if (n := 3) > 2: result = n", 3),
        ("x = [1, 2, 3, 4]\ndel x[0]\nx[::-1][:2]", [4, 3]),
        ("a = {1, 2} | {3}\nlen(a), a", [3, [1, 2, 3]]),
        ("'a-b'.replace('-', '_').upper().split('_')", ["A", "B"]),
        ("max([1, 5, 3]), min(3, 2), round(2.567, 1), abs(-1)", [5, 2, 2.6, 1]),
        ("return [1]\nx = no_such_name", [1]),
        ("print", "<function>"),
        ("1e400", "inf"),
        ("", None),
    ],
)
def test_what_the_language_has(program, value):
    assert run(program) == value


@pytest.mark.parametrize(
    "program",
    [
        "import os",
        "from os import path",
        "__import__('os')",
        "open('/etc/passwd')",
        "eval('1')",
        "exec('1')",
        "compile('1', '', 'eval')",
        "getattr([], 'append')",
        "globals()",
        "vars()",
        "type([])",
        "object",
        "().__class__",
        "[].__class__.__base__.__subclasses__()",
        "''.format(1)",
        "'{0.__class__}'.format(1)",
        "'{a.__class__}'.format_map({'a': 1})",
        "'%s' % ().__class__",
        "echo.__globals__",
        "print.__self__",
        "json.loads.__globals__",
        "str.__mro__",
        "(lambda: 1).__code__",
        "ValueError('x').__traceback__",
        "try:\n  1/0\nexcept Exception as e:\n  e.__traceback__.tb_frame",
        "try:\n  1/0\nexcept Exception as e:\n  e.with_traceback(None)",
        "f'{().__class__}'",
        "f'{[]!r:{echo.__globals__}}'",
        "class A: pass",
        "with echo() as f: pass",
        "@print\ndef f(): pass",
        "def f(*a): pass",
        "x.y = 1",
        "[].append.__self__",
        "(x for x in [1]).gi_frame",
        "b'bytes'",
        "...",
        "yield 1",
        "global x",
        "nonlocal x",
        "match 1:\n  case 1: pass",
        "json.decoder",
        "dict.fromkeys",
        "'a'.encode()",
        "[1] @ [2]",
        "break",
    ],
)
def test_nothing_leads_out(program):
    with pytest.raises((ProgramError, SyntaxError, NameError, TypeError)):
        run(program)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("while True: pass", "steps"),
        ("def f(): return f()\nf()", "deep"),
        ("'x' * 10 ** 9", "million"),
        ("[0] * 2000000", "million"),
        ("2 ** 100000", "power"),
        ("1 << 100000", "shift"),
        ("x = 3\nfor i in range(20): x = x * x", "bits"),
        ("range(10 ** 12)", "range"),
        ("x = 'a' * 999999\nfor i in range(10): x = x + x", "characters"),
        ("f'{1:>100000}'", "width"),
        ("for i in range(1000000): print('x' * 1000)", "printed"),
        ("try:\n  while True: pass\nexcept Exception:\n  pass", "steps"),
    ],
)
def test_every_bound_holds_and_cannot_be_caught(program, says, monkeypatch):
    monkeypatch.setattr("hub.sandbox.expressions.MOST_STEPS", 20_000)
    with pytest.raises(ProgramError, match=says):
        run(program)


names = st.sampled_from(
    ["x", "echo", "json", "print", "str", "dict", "__class__", "__globals__", "append", "format", "got"]
)
expressions = st.recursive(
    names | st.sampled_from(["1", "'a'", "[]", "{}", "(1, 2)", "1.5", "None"]),
    lambda inner: (
        st.builds("({}).{}".format, inner, names)
        | st.builds("({})({})".format, inner, inner)
        | st.builds("({})[{}]".format, inner, inner)
        | st.builds("({}) + ({})".format, inner, inner)
        | st.builds("[{} for x in {}]".format, inner, inner)
        | st.builds("f'{{{}}}'".format, inner.filter(lambda text: "'" not in text))
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(expressions)
def test_no_expression_gives_anything_but_plain_values(expression):
    try:
        value = run(f"x = [1]\n{expression}")
    except (ProgramError, SyntaxError, TypeError, ValueError, LookupError, ArithmeticError, ToolError, AttributeError):
        return
    level = [value]
    while level:
        one = level.pop()
        assert one is None or type(one) in (bool, int, float, str, list, dict)
        level += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []


def test_what_is_printed_is_kept():
    program = interpreter.Interpreter({})
    assert program.run("print('a', 1, sep='-')\nprint()") is None
    assert "".join(program.printed) == "a-1\n\n"
