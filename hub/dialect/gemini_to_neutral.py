"""A request in Gemini's generateContent, read."""

from collections.abc import Iterator
from typing import Any

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.given import Given, Notes, json_text, wrong
from hub.dialect.media import of_mime
from hub.dialect.neutral import (
    OPEN,
    Block,
    Choice,
    Form,
    Message,
    Request,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)
from hub.dialect.sealed import unseal

VENDOR = "gemini"
_LEVELS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}


def read_request(body: dict[str, Any], notes: Notes) -> Request:
    """The call. Raises Malformed naming the field. Names may be written in either case, as Google's servers take them."""
    given = Given(_camel(body), "")
    given.any("model")
    calls = _Calls()
    system = [block for block in _blocks(given.within("systemInstruction"), calls, notes) if isinstance(block, Text)]
    turns = [_message(one, calls, notes) for one in given.each("contents")]
    if not turns:
        raise wrong("contents", "a list with at least one content")
    config = given.within("generationConfig")
    choice = a_dict(given.mapping("toolConfig").get("functionCallingConfig"))
    allowed = tuple(map(a_text, a_list(choice.get("allowedFunctionNames"))))
    kind = _MODES.get(a_text(choice.get("mode")), "")
    thinking = config.mapping("thinkingConfig")
    request = Request(
        messages=((Message("system", tuple(system)),) if system else ()) + tuple(turns),
        tools=tuple(tool for one in given.each("tools") for tool in _tools(one, notes)),
        choice=Choice("tool", allowed[0]) if kind == "required" and len(allowed) == 1 else _choice(kind, allowed),
        max_tokens=config.whole("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=int(top) if (top := config.number("topK")) is not None else None,
        presence=config.number("presencePenalty"),
        frequency=config.number("frequencyPenalty"),
        seed=config.whole("seed"),
        count=config.whole("candidateCount") or 1,
        stop=tuple(one for one in config.items("stopSequences") if isinstance(one, str)),
        thought=_thought(thinking),
        form=_form(config),
        logprobs=config.flag("responseLogprobs") or False,
        top_logprobs=config.whole("logprobs"),
        extras=given.rest(),
    )
    if a_list(config.any("responseModalities")) not in ([], ["TEXT"], ["text"]):
        notes.drop("generationConfig.responseModalities")
    notes.drop(*(f"generationConfig.{name}" for name in config.rest()))
    return request


def _choice(kind: str, allowed: tuple[str, ...]) -> Choice | None:
    return Choice(kind, names=allowed) if kind else None


def _thought(thinking: dict[str, Any]) -> Thought:
    budget, level = thinking.get("thinkingBudget"), a_text(thinking.get("thinkingLevel")).upper()
    shown = thinking.get("includeThoughts")
    told = shown if isinstance(shown, bool) else None
    if isinstance(budget, int) and budget == 0:
        return Thought("off", 0)
    if isinstance(budget, int) and budget > 0:
        return Thought("on", budget, "", told)
    if level:
        return Thought("on", None, _LEVELS.get(level, "medium"), told)
    return Thought("adaptive" if thinking else "", None, "", told)


def _form(config: Given) -> Form | None:
    mime = config.text("responseMimeType")
    schema, own = config.mapping("responseJsonSchema"), config.mapping("responseSchema")
    return Form(schema or plain_schema(own) or None) if mime == "application/json" else None


def plain_schema(schema: Any) -> Any:
    """A schema in JSON Schema's words: Google writes types in capitals and `nullable` for a null."""
    if isinstance(schema, list):
        return [plain_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            out[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            out[name] = {key: plain_schema(one) for key, one in value.items()}
        elif name in ("items", "anyOf", "any_of", "prefixItems"):
            out["anyOf" if name == "any_of" else name] = plain_schema(value)
        elif name in ("minItems", "maxItems", "minLength", "maxLength") and isinstance(value, str):
            out[name] = int(value) if value.isdigit() else value
        elif name not in ("nullable", "propertyOrdering", "property_ordering"):
            out[name] = value
    if schema.get("nullable") is True and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


def _tools(given: Given, notes: Notes) -> Iterator[Tool]:
    for one in given.each("functionDeclarations"):
        name = one.text("name")
        if not name:
            raise wrong(f"{one.at}.name", "a name")
        schema, own = one.mapping("parametersJsonSchema"), one.mapping("parameters")
        yield Tool(name, one.text("description"), schema or plain_schema(own))
    notes.drop(*(f"tools.{name}" for name in given.rest()))


class _Calls:
    """Gives calls ids where Gemini gives none, and finds the call that an answer belongs to."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[str]] = {}
        self._number = 0

    def call(self, id_: str, name: str) -> str:
        self._number += 1
        made = id_ or f"call_{self._number}"
        self._waiting.setdefault(name, []).append(made)
        return made

    def answer(self, id_: str, name: str) -> str:
        waiting = self._waiting.get(name, [])
        if id_:
            if id_ in waiting:
                waiting.remove(id_)
            return id_
        if waiting:
            return waiting.pop(0)
        self._number += 1
        return f"call_{self._number}"


def _message(given: Given, calls: _Calls, notes: Notes) -> Message:
    role = {"model": "assistant", "system": "system"}.get(given.text("role"), "user")
    return Message(role, tuple(_blocks(given, calls, notes)))


def _blocks(given: Given, calls: _Calls, notes: Notes) -> Iterator[Block]:
    for part in given.each("parts"):
        yield from _part(part, calls, notes)


def _part(part: Given, calls: _Calls, notes: Notes) -> Iterator[Block]:
    signature = part.text("thoughtSignature")
    thought = part.flag("thought") or False
    opened = unseal(signature)
    if opened is not None:
        yield opened
        signature = ""
    text = part.any("text")
    called, answered = part.mapping("functionCall"), part.mapping("functionResponse")
    inline, linked = part.mapping("inlineData"), part.mapping("fileData")
    if isinstance(text, str):
        if thought and opened is None:
            yield Thinking(text, signature, VENDOR if signature else OPEN)
        elif not thought and (text or signature):
            yield Text(text, signature=signature)
    elif called:
        name = a_text(called.get("name"))
        yield ToolUse(calls.call(a_text(called.get("id")), name), name, json_text(a_dict(called.get("args"))),
                      signature=signature)  # fmt: skip
    elif answered:
        yield _result(answered, calls)
    elif inline:
        yield of_mime(
            a_text(inline.get("mimeType")), a_text(inline.get("data")), name=a_text(inline.get("displayName"))
        )
    elif linked:
        yield of_mime(a_text(linked.get("mimeType")), url=a_text(linked.get("fileUri")))
    else:
        notes.drop(*(f"contents.parts.{name}" for name in part.rest()))


def _result(answered: dict[str, Any], calls: _Calls) -> ToolResult:
    name = a_text(answered.get("name"))
    response = a_dict(answered.get("response"))
    output = response.get("output", response.get("result"))
    only = set(response) <= {"output", "result"} and isinstance(output, str)
    failed = set(response) == {"error"}
    told = output if only else a_text(response.get("error")) if failed and a_text(response.get("error")) else None
    text = Text(told if told is not None else json_text(response))
    parts = [a_dict(one).get("inlineData") for one in a_list(answered.get("parts"))]
    media = [of_mime(a_text(one.get("mimeType")), a_text(one.get("data"))) for one in map(a_dict, parts) if one]
    return ToolResult(calls.answer(a_text(answered.get("id")), name), (text, *media), name, failed)


_OPAQUE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)


def _camel(value: Any) -> Any:
    """The same with names in camel case; what the caller's own schemas and arguments hold stays as it is."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for name, one in value.items():
        first, *rest = str(name).split("_")
        made = first + "".join(word.capitalize() for word in rest) if first else str(name)
        out[made] = one if made in _OPAQUE else _camel(one)
    return out
