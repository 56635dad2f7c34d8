"""A real model server on a CPU: llama.cpp with a model that is made here, tiny, of random numbers; nothing is downloaded.

A program of its own, run by the interpreter that has llama.cpp (`requirements/servers-model.txt`):
`python tests/support/tiny_model.py FOLDER` writes two models there, prints the address of a server for each, and serves until
it is ended. What they say means nothing, but it is always the same, with real tokens, real counts and real grammars. The
second one, `caller`, ends as soon as it may, and calls a tool where it must.
"""

import array
import os
import random
import signal
import struct
import sys
from pathlib import Path

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 2, 128, 8192
WORDS = [
    "hub",
    "tool",
    "model",
    "key",
    "route",
    "budget",
    "Paris",
    "weather",
    "grüße",
    "👋",
    "naïve",
    "日本",
    "sunny",
    "the",
    "a",
    "of",
    "and",
    "to",
    "is",
]
CONTROL = ["<|end|>", "<|start|>"]
CALL = "<tool_call>\n"  # how a call of a tool begins
# Where tokens of a text are bytes, each stands as one of these characters (GPT-2's alphabet).
_PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
_REST = [byte for byte in range(256) if byte not in _PLAIN]
ALPHABET = {byte: chr(byte) for byte in _PLAIN} | {byte: chr(256 + place) for place, byte in enumerate(_REST)}
TEMPLATE = """{%- if tools %}<|start|>system
Tools: <tools>{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
Answer with <tool_call>{"name": NAME, "arguments": ARGUMENTS}</tool_call>.<|end|>
{% endif -%}
{%- for message in messages -%}
{%- if message.role == 'tool' %}<|start|>user
<tool_response>{{ message.content }}</tool_response><|end|>
{% else %}<|start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|start|>assistant
{% endif -%}"""

_WHOLE, _SIGNED, _REAL, _FLAG, _TEXT, _LIST = 4, 5, 6, 7, 8, 9  # types of values in a GGUF file
_ALIGNED = 32


def _text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    match kind:
        case 4:
            return struct.pack("<I", value)
        case 5:
            return struct.pack("<i", value)
        case 6:
            return struct.pack("<f", value)
        case 7:
            return struct.pack("<?", value)
        case 8:
            return _text(value)
    inner, values = value
    return struct.pack("<IQ", inner, len(values)) + b"".join(_value(inner, one) for one in values)


def _vocabulary():
    """The tokens, and for each whether it is text (1) or a mark that controls (3)."""
    texts = [*(f" {word}" for word in WORDS), CALL]
    said = ["".join(ALPHABET[byte] for byte in text.encode()) for text in texts]
    tokens = [*CONTROL, *(ALPHABET[byte] for byte in range(256)), *said]
    return tokens, [3 if token in CONTROL else 1 for token in tokens]


def _facts(tokens, kinds):
    """What a GGUF file says of its model."""
    return {
        "general.architecture": (_TEXT, "llama"),
        "general.name": (_TEXT, "tiny"),
        "llama.context_length": (_WHOLE, CONTEXT),
        "llama.embedding_length": (_WHOLE, WIDTH),
        "llama.block_count": (_WHOLE, LAYERS),
        "llama.feed_forward_length": (_WHOLE, INNER),
        "llama.attention.head_count": (_WHOLE, HEADS),
        "llama.attention.head_count_kv": (_WHOLE, HEADS),
        "llama.attention.layer_norm_rms_epsilon": (_REAL, 1e-5),
        "llama.rope.dimension_count": (_WHOLE, WIDTH // HEADS),
        "tokenizer.ggml.model": (_TEXT, "gpt2"),
        "tokenizer.ggml.pre": (_TEXT, "gpt-2"),
        "tokenizer.ggml.tokens": (_LIST, (_TEXT, tokens)),
        "tokenizer.ggml.token_type": (_LIST, (_SIGNED, kinds)),
        "tokenizer.ggml.merges": (_LIST, (_TEXT, [])),
        "tokenizer.ggml.bos_token_id": (_WHOLE, 1),
        "tokenizer.ggml.eos_token_id": (_WHOLE, 0),
        "tokenizer.ggml.add_bos_token": (_FLAG, False),
        "tokenizer.chat_template": (_TEXT, TEMPLATE),
    }


def _tensors(vocabulary):
    """The names and shapes of the model's numbers; the innermost length comes first."""
    yield "token_embd.weight", (WIDTH, vocabulary)
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH),
            "attn_output": (WIDTH, WIDTH), "ffn_norm": (WIDTH,), "ffn_gate": (WIDTH, INNER), "ffn_up": (WIDTH, INNER),
            "ffn_down": (INNER, WIDTH),
        }.items():  # fmt: skip
            yield f"blk.{layer}.{name}.weight", shape
    yield "output_norm.weight", (WIDTH,)
    yield "output.weight", (WIDTH, vocabulary)


def _numbers(name, shape, chance, vocabulary, *, calls):
    """One tensor: norms are ones, all else is drawn. Only words are ever said, so that what is said is text.

    In a model that `calls`, the first number that it carries on is the same for every token and changed by no layer; by
    it alone does it say how much it wants to end, and, a little less, to call.
    """
    if len(shape) == 1:
        return array.array("f", [1.0] * shape[0])
    drawn = array.array("f", [chance.gauss(0, 0.3) for _ in range(shape[0] * shape[1])])
    if name == "output.weight":
        for token in (*range(vocabulary - 1 - len(WORDS)), vocabulary - 1):
            drawn[token * WIDTH : (token + 1) * WIDTH] = array.array("f", [0.0] * WIDTH)
    if calls and name == "token_embd.weight":
        drawn[::WIDTH] = array.array("f", [6.0] * vocabulary)
    elif calls and name == "output.weight":
        drawn[::WIDTH] = array.array("f", [90.0, *[0.0] * (vocabulary - 2), 60.0])
    elif calls and name.endswith(("attn_output.weight", "ffn_down.weight")):
        drawn[: shape[0]] = array.array("f", [0.0] * shape[0])
    return drawn


def write_model(file, *, calls=False, seed=4):
    """Write the model as a GGUF file, the same for the same seed."""
    tokens, kinds = _vocabulary()
    facts, shapes = _facts(tokens, kinds), dict(_tensors(len(tokens)))
    chance = random.Random(seed)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(facts))
    head += b"".join(
        _text(name) + struct.pack("<I", kind) + _value(kind, value) for name, (kind, value) in facts.items()
    )
    body = b""
    for name, shape in shapes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(body))
        numbers = _numbers(name, shape, chance, len(tokens), calls=calls).tobytes()
        body += numbers + bytes(-len(numbers) % _ALIGNED)
    Path(file).write_bytes(head + bytes(-len(head) % _ALIGNED) + body)


def serve(xllamacpp, file, name):
    """A server of the model in a file, on a free port."""
    told = xllamacpp.CommonParams()
    told.model.path, told.model_alias = str(file), [name]
    told.use_jinja = True
    told.n_ctx, told.n_parallel = CONTEXT, 2
    told.cpuparams.n_threads = told.cpuparams_batch.n_threads = 1
    told.sampling.temp = 0.0
    told.hostnames, told.port = ["127.0.0.1"], 0
    told.warmup = False
    told.verbosity = 0
    return xllamacpp.Server(told)


def main(folder):
    """Serve the models until the program is ended."""
    import xllamacpp

    servers = {}
    for name in ("tiny", "caller"):
        file = Path(folder) / f"{name}.gguf"
        write_model(file, calls=name == "caller")
        servers[name] = serve(xllamacpp, file, name)
    for name, server in servers.items():
        print(f"{name} is served at {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)  # nothing here is worth an orderly end


if __name__ == "__main__":
    main(sys.argv[1])
