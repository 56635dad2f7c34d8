"""Questions of servers in a profile of several: each says whose it is, since clients know the profile alone."""

from msgspec import DecodeError, Raw, json

from hub.profile.offers import object_of, text_of

ELICIT = "elicitation/create"


def named_question(server: str, method: str, params: bytes) -> bytes:
    """The params of a question, with the server's name before what people read."""
    message = text_of(params, "message") if method == ELICIT else ""
    if not message:
        return params
    return json.encode({**object_of(params), "message": f"{server}: {message}"})


def named_questions(server: str, result: bytes) -> bytes:
    """A result whose questions, if it is one that asks, are named so; every other as it came."""
    if b'"input_required"' not in result:
        return result
    members = object_of(result)
    asked = {key: object_of(bytes(raw)) for key, raw in object_of(bytes(members.get("inputRequests", b""))).items()}
    if bytes(members.get("resultType", b"")) != b'"input_required"' or not asked:
        return result
    for question in asked.values():
        params = bytes(question.get("params", b"{}"))
        question["params"] = Raw(named_question(server, _text(question.get("method")), params))
    return json.encode({**members, "inputRequests": asked})


def _text(raw: Raw | None) -> str:
    try:
        return json.decode(raw, type=str) if raw is not None else ""
    except DecodeError:
        return ""
