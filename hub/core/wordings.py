"""How providers say what went wrong: their words, not their structure, which differs by dialect and which gateways rewrite."""

import re

LOOKED_AT = 65_536  # bytes of an error body that are searched for its reason
TOO_LONG = re.compile(
    rb"context_length_exceeded|context[ _]window|maximum context length|prompt is too long|too many (?:input )?tokens"
    rb"|exceeds? the (?:maximum|max|model'?s)[^\"]{0,40}(?:tokens|context)|input (?:is )?too long|input token count",
    re.IGNORECASE,
)
MAY_BE_TOO_LONG = (400, 403, 413, 422)  # the statuses with which they say so
