"""Guardrails: which rules a call falls under, compiled once; and the screening of one call's bodies at each point."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from hub.core.entry import Finding
from hub.core.inspection import Judges, Opinion, Question
from hub.core.principal import Globs
from hub.core.refusal import Malformed, NotFound, Refusal
from hub.policy import injection
from hub.policy.found import Found, Split, found_in
from hub.policy.likelihoods import without_likelihoods
from hub.policy.masks import Masks
from hub.policy.pack import Pack, Span
from hub.policy.shapes import checks_of, stranger, tool_names
from hub.policy.text import Reading
from hub.resources.safety import SPANS, GuardrailSpec

Scope = tuple[str, str]
_PERSONAL = frozenset({"team", "user", "key"})
_NOBODY: Mapping[Scope, Sequence[str]] = MappingProxyType({})
About = tuple[tuple[str, str], ...]
T = TypeVar("T")
_MOST_PACKS = 512
_MOST_ASKED = 512 << 10  # characters that others are asked about
_MOST_FINDINGS = 64
_AT_ONCE = 32 << 10  # bytes that are judged in a few milliseconds; more is judged beside the event loop
_PATIENCE = 10  # the hub's own work on a text may take so many times as long as others' answers: it does get on
_MOST_BESIDE = 2  # bodies that are judged beside it at a time


class Elsewhere(Refusal):
    """The call shall go to another model, `model`, instead: a rule or a budget says so (`action`: route, downgrade).

    `cause` is what the caller is told where it cannot.
    """

    def __init__(self, model: str, cause: Refusal, action: str = "route") -> None:
        super().__init__(cause.code, cause.message, status=cause.status)
        self.model = model
        self.cause = cause
        self.action = action


class Rule:
    """One guardrail, compiled as far as it stands alone."""

    __slots__ = ("allowed", "asks", "checks", "name", "scans", "spec")

    def __init__(self, name: str, spec: GuardrailSpec) -> None:
        self.name = name
        self.spec = spec
        self.scans = any(getattr(spec, kind) for kind in SPANS)
        self.checks = checks_of(spec)
        self.allowed = None if spec.allowed_tools is None else Globs(tuple(spec.allowed_tools))
        self.asks = bool(spec.webhook or spec.moderation or spec.judge)

    def blocked(self, why: str = "blocked this. Remove what it looks for, or ask its owner.") -> Malformed:
        """The refusal of a rule. It names the rule, never what matched."""
        return Malformed("guardrail_blocked", f"The guardrail '{self.name}' {why}")


Replaced = list[tuple[int, int, str]]
Checked = list[tuple[Rule, Finding]]
Scanned = list[tuple[Rule, Finding, Found]]


class Guardrails:
    """All rules of a snapshot, by their scopes. `judges` answers for those that ask others.

    `named` are those that scopes name themselves, whatever their own scope is: a profile its `guardrails`.
    """

    def __init__(
        self, specs: Mapping[str, GuardrailSpec], judges: Judges | None, named: Mapping[Scope, Sequence[str]] = _NOBODY
    ) -> None:
        self.judges = judges
        self.beside = asyncio.Semaphore(_MOST_BESIDE)
        self.specs = dict(specs)
        self.named = {scope: tuple(names) for scope, names in named.items()}
        self._by_scope: dict[Scope, tuple[Rule, ...]] = {}
        self._packs: dict[tuple[Rule, ...], Pack] = {}
        self._strict: dict[str, Rule] = {}  # as callers have them who name them
        rules = {name: Rule(name, spec) for name, spec in specs.items()}
        for name, spec in specs.items():
            scope = spec.scope.parts
            self._by_scope[scope] = (*self._by_scope.get(scope, ()), rules[name])
        for scope, names in self.named.items():
            self._by_scope[scope] = (*self._by_scope.get(scope, ()), *(rules[name] for name in names if name in rules))

    def applying(self, scopes: Iterable[Scope]) -> tuple[Rule, ...]:
        """The rules of a call's scopes."""
        if not self._by_scope:
            return ()
        return tuple(dict.fromkeys(rule for scope in scopes for rule in self._by_scope.get(scope, ())))

    def stricter(self, rules: tuple[Rule, ...], names: Iterable[str], scopes: Iterable[Scope]) -> tuple[Rule, ...]:
        """A call's rules and those that its caller names (`x-hub-guardrails`), which are enforced, whatever they say.

        Whoever calls may name every rule but those for other teams, users and keys. Raises NotFound.
        """
        own = frozenset(scopes)
        wanted = {name: self._enforced(name, own) for name in names}
        return (*(rule for rule in rules if rule.name not in wanted), *wanted.values())

    def _enforced(self, name: str, scopes: frozenset[Scope]) -> Rule:
        spec = self.specs.get(name)
        if spec is None or (spec.scope.parts[0] in _PERSONAL and spec.scope.parts not in scopes):
            raise NotFound(
                "not_found",
                f"There is no guardrail '{name[:64]}' (named in x-hub-guardrails) that you may use. Correct the name, leave "
                "it out, or ask an administrator.",
            )
        rule = self._strict.get(name)
        if rule is None:
            stream = "hold" if spec.stream == "observe" else spec.stream
            rule = self._strict[name] = Rule(name, spec.model_copy(update={"shadow": False, "stream": stream}))
        return rule

    def pack(self, rules: tuple[Rule, ...]) -> Pack:
        """The rules compiled together; kept, since the same ones meet again."""
        made = self._packs.get(rules)
        if made is None:
            if len(self._packs) >= _MOST_PACKS:
                self._packs.clear()
            made = self._packs[rules] = Pack([rule.spec for rule in rules])
        return made


class Screening:
    """The rules of one call at work, what they found, and the masks they put on."""

    __slots__ = ("_about", "_guardrails", "_now", "_rules", "_worked", "findings", "masks")

    def __init__(
        self,
        guardrails: Guardrails,
        rules: tuple[Rule, ...],
        about: About = (),
        now: Callable[[], float] = time.perf_counter,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._guardrails = guardrails
        self._rules = rules
        self._about = about
        self._now = now
        self._worked = worked  # seconds that were worked: a busy machine is no reason to refuse a text
        self.findings: list[Finding] = []
        self.masks = Masks()

    def rules(self, point: str) -> tuple[Rule, ...]:
        """The rules at a point."""
        return tuple(rule for rule in self._rules if point in rule.spec.on)

    def pack(self, rules: tuple[Rule, ...]) -> Pack:
        """The rules compiled together."""
        return self._guardrails.pack(rules)

    async def screen(self, point: str, body: bytes, *, tool: str = "", model: str = "") -> bytes:
        """A body as it may go on: itself, or with parts redacted. `tool` is the tool that is called, `model` the model.

        Raises Malformed `guardrail_blocked`, or Elsewhere.
        """
        rules = self.rules(point)
        if not rules:
            return self.restored(body) if point in ("output", "tool_result") else body
        reading = await self._run(len(body), partial(Reading, body))
        await self.inspect(rules, point, reading, tool=tool, model=model)
        written = body
        if reading.document.is_changed:
            written = reading.document.written()
            written = without_likelihoods(written) if point == "output" else written
        return self.restored(written) if point in ("output", "tool_result") else written

    def restored(self, body: bytes) -> bytes:
        """A body with the placeholders of this call undone."""
        if not self.masks.originals:
            return body
        reading = Reading(body)
        reading.replace(self.masks.spans(reading.text))
        return reading.document.written()

    async def inspect(
        self, rules: tuple[Rule, ...], point: str, reading: Reading, *, tool: str = "", model: str = ""
    ) -> None:
        """Let the rules judge a reading; redactions are made in it. Raises as `screen` does."""
        spans: Replaced = []
        verdicts: list[tuple[Rule, Finding]] = []
        scanned, checked = await self._looked(rules, reading, tool)
        for rule, finding, found in scanned:
            verdicts.append((rule, finding))
            spans += self.redactions(rule, found.spans, reading.text) + self._in_parts(rule, found.split)
        verdicts += checked
        asking = tuple(rule for rule in rules if rule.asks)
        if asking:
            opinions = await asyncio.gather(*(self._asked(rule, point, reading) for rule in asking))
            verdicts += [(rule, finding) for rule, finding, _ in opinions if finding is not None]
            for rule, _, opinion in opinions:
                if opinion is not None and rule.spec.action == "redact" and not rule.spec.shadow:
                    _rewrite(reading, opinion)
        self.conclude(point, verdicts, model)
        if spans:
            reading.replace(spans)

    async def observe(self, rules: tuple[Rule, ...], point: str, reading: Reading) -> None:
        """Let rules look at what has passed already: what they find is noted as observed, and enforces nothing."""
        self._observed(point, *await self._looked(rules, reading, ""))
        for rule in rules:
            if rule.asks:
                _, finding, _ = await self._asked(rule, point, reading)
                if finding is not None:
                    self.note(finding, rule, point, "observe")

    def observe_left(self, rules: tuple[Rule, ...], point: str, reading: Reading) -> None:
        """As `observe`, of what a caller took who has left, without waiting: nobody else is asked about it."""
        self._observed(point, self._scanned(rules, reading), self._checked(rules, reading, ""))
        for rule in rules:
            if rule.asks:
                self.note(
                    Finding(rule.name, "error", error="the caller left before it was asked"), rule, point, "observe"
                )

    def _observed(self, point: str, scanned: Scanned, checked: Checked) -> None:
        for rule, finding in (*((rule, finding) for rule, finding, _ in scanned), *checked):
            self.note(finding, rule, point, "observe")

    # -- what each kind finds --------------------------------------------------------------------------------------

    async def _run(self, size: int, work: Callable[[], T], *, is_heavy: bool = False) -> T:
        """Do work on so many bytes: at once, or, where that would keep all other calls waiting, in a thread."""
        if size <= _AT_ONCE and not is_heavy:
            return work()
        async with self._guardrails.beside:
            return await asyncio.to_thread(work)

    async def _looked(self, rules: tuple[Rule, ...], reading: Reading, tool: str) -> tuple[Scanned, Checked]:
        is_first = not injection.is_ready() and any(rule.spec.injection for rule in rules)

        def work() -> tuple[Scanned, Checked]:
            return self._scanned(rules, reading), self._checked(rules, reading, tool)

        return await self._run(len(reading.text), work, is_heavy=is_first)

    def _scanned(self, rules: tuple[Rule, ...], reading: Reading) -> Scanned:
        scanning = tuple(rule for rule in rules if rule.scans)
        if not scanning:
            return []
        began = self._now()
        found = found_in(reading, self.pack(scanning))
        took = (self._now() - began) * 1000
        return [
            (scanning[index], Finding(scanning[index].name, things.kinds, count=things.number, ms=took), things)
            for index, things in found.items()
        ]

    def _checked(self, rules: tuple[Rule, ...], reading: Reading, tool: str) -> Checked:
        found: Checked = []
        for rule in rules:
            if rule.spec.injection is not None:
                found += self._suspected(rule, rule.spec.injection, reading)
            for kind, fails in rule.checks:
                began = self._now()
                if fails(reading):
                    found.append((rule, Finding(rule.name, kind, ms=(self._now() - began) * 1000)))
            if rule.allowed is not None and stranger(
                rule.allowed, iter((tool,)) if tool else tool_names(reading.document.body)
            ):
                found.append((rule, Finding(rule.name, "tool")))
        return found

    def _suspected(self, rule: Rule, sensitivity: str, reading: Reading) -> Checked:
        """What an injection rule says: suspected or not, or not judged, for it is too long or took too long."""
        injection.prepare()
        began, most = self._now(), self._worked() + rule.spec.deadline_ms / 1000 * _PATIENCE

        def late() -> None:
            if self._worked() > most:
                raise TimeoutError

        error = ""
        try:
            if not injection.is_suspect(reading.ways(), sensitivity, (piece.text for piece in reading.pieces), late):
                return []
        except TimeoutError:
            error = f"not judged within {rule.spec.deadline_ms * _PATIENCE} ms of work"
        except ValueError as too_long:
            error = str(too_long)
        took = (self._now() - began) * 1000
        return [(rule, Finding(rule.name, "error" if error else "injection", ms=took, error=error))]

    async def _asked(self, rule: Rule, point: str, reading: Reading) -> tuple[Rule, Finding | None, Opinion | None]:
        began = self._now()
        error = ""
        opinion = None
        try:
            question = _question(rule.name, point, reading, self._about)
            async with asyncio.timeout(rule.spec.deadline_ms / 1000):
                opinion = await self._opinion(rule.spec, question)
        except TimeoutError:
            error = f"no answer within {rule.spec.deadline_ms} ms"
        except Refusal as refusal:
            error = refusal.message[:200]
        took = (self._now() - began) * 1000
        if error:
            return rule, Finding(rule.name, "error", ms=took, error=error), None
        assert opinion is not None
        finding = Finding(rule.name, opinion.kind, ms=took) if opinion.found else None
        return rule, finding, opinion if opinion.found else None

    async def _opinion(self, spec: GuardrailSpec, question: Question) -> Opinion:
        judges = self._guardrails.judges
        if judges is None:
            raise Malformed("guardrail_blocked", "There is nobody here to ask.")
        opinion = Opinion(found=False)
        if spec.webhook is not None:
            hook = spec.webhook
            opinion = await judges.webhook(question, hook.url, hook.secret, private=hook.allow_private)
        if not opinion.found and spec.moderation is not None:
            opinion = await judges.moderation(question, spec.moderation.model)
        if not opinion.found and spec.judge is not None:
            opinion = await judges.judge(question, spec.judge.model, spec.judge.question)
        return opinion

    # -- what follows from it --------------------------------------------------------------------------------------

    def redactions(self, rule: Rule, hits: Iterable[Span], text: str) -> Replaced:
        """What stands in place of what a redacting rule found."""
        if rule.spec.action != "redact" or rule.spec.shadow:
            return []
        hide, reversible = self.masks.hide, rule.spec.reversible
        return [(hit.start, hit.end, hide(hit.kind, text[hit.start : hit.end], reversible=reversible)) for hit in hits]

    def _in_parts(self, rule: Rule, split: Iterable[Split]) -> Replaced:
        """The same for what stands in parts: in place of the first stands what stands for all of it."""
        if rule.spec.action != "redact" or rule.spec.shadow:
            return []
        spans: Replaced = []
        for kind, said, (first, *more) in split:
            spans.append((*first, self.masks.hide(kind, said, reversible=rule.spec.reversible)))
            spans += [(*place, "") for place in more]
        return spans

    def note(self, finding: Finding, rule: Rule, point: str, action: str) -> None:
        """Keep a finding for the entry."""
        if len(self.findings) < _MOST_FINDINGS:
            took = round(finding.ms, 3)
            self.findings.append(
                Finding(finding.rule, finding.kind, point, action, finding.count, took, rule.spec.shadow, finding.error)
            )

    def conclude(self, point: str, verdicts: Iterable[tuple[Rule, Finding]], model: str) -> None:
        """Note every verdict, then do what the first that enforces says. Raises Malformed or Elsewhere."""
        first: Refusal | None = None
        for rule, finding in verdicts:
            action: str = rule.spec.action
            refusal: Refusal | None = None
            if finding.error:
                action = "block" if rule.spec.on_error == "closed" else "pass"
                why = "could not be asked, and nothing passes without it. Try again, or ask its owner."
                refusal = rule.blocked(why) if action == "block" else None
            elif action == "block":
                refusal = rule.blocked()
            elif action == "route" and rule.spec.route_to and rule.spec.route_to != model:
                refusal = Elsewhere(rule.spec.route_to, rule.blocked())
            self.note(finding, rule, point, action)
            if refusal is not None and not rule.spec.shadow and (first is None or isinstance(first, Elsewhere)):
                first = refusal if first is None or not isinstance(refusal, Elsewhere) else first
        if first is not None:
            raise first


def _question(rule: str, point: str, reading: Reading, about: About) -> Question:
    if len(reading.text) > _MOST_ASKED:
        raise Malformed("guardrail_blocked", f"the text is longer than the {_MOST_ASKED} characters that are sent")
    return Question(rule, point, tuple(piece.text for piece in reading.pieces), about)


def _rewrite(reading: Reading, opinion: Opinion) -> None:
    """Put the texts of an opinion in the place of those it was asked about."""
    if len(opinion.texts) != len(reading.pieces):
        return
    for piece, text in zip(reading.pieces, opinion.texts, strict=True):
        if text != piece.text:
            piece.new = text


def masked(values: Mapping[str, Any]) -> About:
    """Whose call it is, as pairs for those who are asked; what is empty is left out."""
    return tuple((name, str(value)) for name, value in values.items() if value)
