"""Forms with a file: where the model's name stands in a multipart body, so that it can be exchanged and nothing else."""

import re

from hub.core.calls import ModelCall
from hub.core.refusal import Malformed
from hub.core.usage import Usage
from hub.dialect import fields
from hub.dialect.members import Places, splice
from hub.dialect.plain import PlainWire
from hub.dialect.plain_streams import PlainReader

_MOST_PARTS = 64
_MOST_HEAD = 2048
_BOUNDARY = re.compile(rb"(?:\r\n)?(--[0-9A-Za-z'()+_,./:=?\- ]{1,70})\r\n")
# Only what every parser reads alike: another reading upstream would be another model than the one that was allowed.
_NAME = re.compile(
    rb'content-disposition:[ \t]*form-data;[ \t]*name="([^"\\\r\n]{1,100})"'
    rb'(?:;[ \t]*filename="[^"\\\r\n]{0,500}")?(?:;[ \t]*filename\*=[^";\\\r\n]{0,500})?[ \t]*',
    re.IGNORECASE,
)
_OTHER = re.compile(rb"content-(?:type|length|transfer-encoding):[^\r\n]*", re.IGNORECASE)
# A second of speech is about 16 kB as MP3 and, by OpenAI's rate, about 10 tokens.
_BYTES_PER_TOKEN = 1600


def parts_of(body: bytes) -> Places:
    """The values of a form's parts, by name, each with its (start, end).

    The boundary is the body's first line. Of a list (`name[]`) each value has a place. Raises Malformed when the body is no
    such form, has more than 64 parts, or names a field twice that is no list.
    """
    first = _BOUNDARY.match(body)
    if first is None:
        raise Malformed("malformed", "The body is not a form of multipart/form-data.")
    mark = first[1]
    places: Places = {}
    position = first.end()
    for _ in range(_MOST_PARTS):
        start = body.find(b"\r\n\r\n", position, position + _MOST_HEAD)
        end = body.find(b"\r\n" + mark, start + 2)
        if start < 0 or end < 0:
            raise Malformed("malformed", "A part of the form is not complete.")
        field = _name(body[position:start])
        if field in places and not field.endswith("[]"):
            raise Malformed("malformed", f"The form names the field '{field}' twice. Send it once.")
        places[f"{field}{len(places)}" if field in places else field] = (min(start + 4, end), end)
        position = end + 2 + len(mark)
        if body[position : position + 2] == b"--":
            return places
        if body[position : position + 2] != b"\r\n":
            raise Malformed("malformed", "The parts of the form are not apart.")
        position += 2
    raise Malformed("malformed", f"The form has more than {_MOST_PARTS} parts.")


def _name(head: bytes) -> str:
    """The name of a part. Raises Malformed when its head can be read in more than one way."""
    names: list[bytes] = []
    for line in head.split(b"\r\n"):
        if (match := _NAME.fullmatch(line)) is not None:
            names.append(match[1])
        elif not _OTHER.fullmatch(line):
            raise Malformed("malformed", "A part of the form has a header that is not read here.")
    if len(names) != 1:
        raise Malformed("malformed", "A part of the form does not say its name once.")
    return names[0].decode("latin-1")


class FormWire(PlainWire):
    """Transcriptions: a form goes out with another model's name, byte for byte the same elsewhere."""

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = parts_of(body)
        start, end = places.get("model", (0, 0))
        name = body[start:end].decode("utf-8", "replace").strip()
        if not name or len(name) > 256:
            raise Malformed("malformed", "The field 'model' is missing. GET /v1/models lists what this key may call.")
        flag = places.get("stream", (0, 0))
        stream = body[slice(*flag)].strip().lower() in (b"true", b"1")
        return fields.Peek(name, stream, places)

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`."""
        return call.body if model == call.named else splice(call.body, [(*call.places["model"], model.encode())])

    def reader(self, call: ModelCall) -> PlainReader:
        """See `hub.dialect.wires.Wire`."""
        return PlainReader(self.estimate(call, 0), "text")

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(audio_in=len(call.body) // _BYTES_PER_TOKEN, output=reply_bytes // 4, estimated=True)
