"""Provider kinds as rows: where each company is, which dialects it speaks and how it takes a key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.core.calls import Dialect

_CHAT = {Dialect.OPENAI_CHAT: "/chat/completions"}
_COMPLETIONS = {Dialect.OPENAI_COMPLETIONS: "/completions"}
_EMBEDDINGS = {Dialect.OPENAI_EMBEDDINGS: "/embeddings"}
_IMAGES = {Dialect.OPENAI_IMAGES: "/images/generations"}
_SPEECH = {Dialect.OPENAI_SPEECH: "/audio/speech"}
_HEARING = {Dialect.OPENAI_TRANSCRIPTIONS: "/audio/transcriptions"}
_MODERATIONS = {Dialect.OPENAI_MODERATIONS: "/moderations"}
_RERANK = {Dialect.RERANK: "/rerank"}
_TEXTS = {**_CHAT, **_COMPLETIONS, **_EMBEDDINGS}
_AZURE = {**_TEXTS, Dialect.OPENAI_RESPONSES: "/responses", **_IMAGES, **_SPEECH, **_HEARING}
_OPENAI = {**_AZURE, **_MODERATIONS}
_BEARER = ("authorization", "Bearer ")


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """One row. `base_url` is the default that the kind's own SDK uses, `env` its well-known variable.

    `local` names an in-process provider; `catalogue` is the company's name in the bundled model catalogue. In
    `base_url`, `{region}` is the provider's region and `{project}` that of its service account. A path may hold
    `{model}`, and `{WHOLE|STREAM}` for what differs. `serves` says by a pattern which models speak a dialect, where
    not all do; `members` what a body in a dialect must hold there, or not (None). `passthrough` lets a caller's own
    credential go upstream instead of the hub's. `listing` is the path of its list of models, "" where it has none.
    `place` finds, in the base URL and the region with a space between them, where calls are computed at another price.
    """

    base_url: str
    paths: Mapping[Dialect, str]
    auth: tuple[str, str] = _BEARER
    env: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    local: str = ""
    catalogue: str = ""
    passthrough: bool = False
    listing: str = "/models"
    place: str = ""
    serves: Mapping[Dialect, str] = field(default_factory=dict[Dialect, str])
    members: Mapping[Dialect, Mapping[str, str | None]] = field(default_factory=dict[Dialect, Mapping[str, str | None]])

    def paths_of(self, model: str) -> Mapping[Dialect, str]:
        """The paths of the dialects that `model` speaks."""
        if not self.serves:
            return self.paths
        return {spoken: path for spoken, path in self.paths.items() if re.search(self.serves.get(spoken, ""), model)}


KINDS: Mapping[str, ProviderKind] = {
    "openai": ProviderKind(
        "https://api.openai.com/v1",
        _OPENAI,
        env="OPENAI_API_KEY",
        catalogue="openai",
        place=r"^https://(eu|us)\.api\.openai\.com(?:[:/]|$)",
    ),
    "openai-compatible": ProviderKind("", {**_TEXTS, **_IMAGES, **_SPEECH, **_HEARING, **_MODERATIONS, **_RERANK}),
    "anthropic": ProviderKind(
        "https://api.anthropic.com",
        {Dialect.ANTHROPIC_MESSAGES: "/v1/messages", Dialect.ANTHROPIC_COUNT: "/v1/messages/count_tokens"},
        auth=("x-api-key", ""),
        env="ANTHROPIC_API_KEY",
        headers=(("anthropic-version", "2023-06-01"),),
        catalogue="anthropic",
        passthrough=True,
        listing="/v1/models",
    ),
    "gemini": ProviderKind(
        "https://generativelanguage.googleapis.com",
        {
            Dialect.GEMINI: "/v1beta/models/{model}:{generateContent|streamGenerateContent?alt=sse}",
            Dialect.GEMINI_COUNT: "/v1beta/models/{model}:countTokens",
        },
        auth=("x-goog-api-key", ""),
        env="GEMINI_API_KEY",
        catalogue="gemini",
        listing="/v1beta/models",
    ),
    "azure-openai": ProviderKind("", _AZURE, auth=("api-key", ""), catalogue="openai"),
    "vertex": ProviderKind(
        "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}",
        {
            Dialect.ANTHROPIC_MESSAGES: "/publishers/anthropic/models/{model}:{rawPredict|streamRawPredict}",
            Dialect.GEMINI: "/publishers/google/models/{model}:{generateContent|streamGenerateContent?alt=sse}",
            Dialect.GEMINI_COUNT: "/publishers/google/models/{model}:countTokens",
        },
        auth=("google-jwt", "https://aiplatform.googleapis.com/"),
        serves={
            Dialect.ANTHROPIC_MESSAGES: "^claude",
            Dialect.GEMINI: "^(?!claude)",
            Dialect.GEMINI_COUNT: "^(?!claude)",
        },
        members={Dialect.ANTHROPIC_MESSAGES: {"anthropic_version": "vertex-2023-10-16", "model": None}},
        catalogue="vertex",
        listing="",
        place=r" (?!global$)(\S+)$",
    ),
    "bedrock": ProviderKind(
        "https://bedrock-runtime.{region}.amazonaws.com",
        {Dialect.BEDROCK: "/model/{model}/{converse|converse-stream}"},
        auth=("aws-sigv4", "bedrock"),
        catalogue="bedrock",
        listing="",
    ),
    "demo": ProviderKind("", {Dialect.OPENAI_CHAT: "", Dialect.ANTHROPIC_MESSAGES: ""}, local="demo", catalogue="demo"),
    "groq": ProviderKind(
        "https://api.groq.com/openai/v1", {**_CHAT, **_SPEECH, **_HEARING}, env="GROQ_API_KEY", catalogue="groq"
    ),
    "mistral": ProviderKind(
        "https://api.mistral.ai/v1",
        {**_CHAT, **_EMBEDDINGS, **_HEARING, **_MODERATIONS},
        env="MISTRAL_API_KEY",
        catalogue="mistral",
    ),
    "xai": ProviderKind(
        "https://api.x.ai/v1",
        {**_CHAT, Dialect.OPENAI_RESPONSES: "/responses", **_IMAGES},
        env="XAI_API_KEY",
        catalogue="xai",
    ),
    "deepseek": ProviderKind("https://api.deepseek.com/v1", _CHAT, env="DEEPSEEK_API_KEY", catalogue="deepseek"),
    "together": ProviderKind(
        "https://api.together.xyz/v1",
        {**_TEXTS, **_IMAGES, **_SPEECH, **_RERANK},
        env="TOGETHER_API_KEY",
        catalogue="together",
    ),
    "fireworks": ProviderKind(
        "https://api.fireworks.ai/inference/v1", {**_TEXTS, **_RERANK}, env="FIREWORKS_API_KEY", catalogue="fireworks"
    ),
    "deepinfra": ProviderKind(
        "https://api.deepinfra.com/v1/openai",
        {**_TEXTS, **_IMAGES, **_SPEECH, **_HEARING},
        env="DEEPINFRA_API_KEY",
        catalogue="deepinfra",
    ),
    "openrouter": ProviderKind(
        "https://openrouter.ai/api/v1", _TEXTS, env="OPENROUTER_API_KEY", catalogue="openrouter"
    ),
    "cerebras": ProviderKind("https://api.cerebras.ai/v1", _CHAT, env="CEREBRAS_API_KEY", catalogue="cerebras"),
    "ollama": ProviderKind("http://127.0.0.1:11434/v1", _TEXTS),
    "vllm": ProviderKind("http://127.0.0.1:8000/v1", {**_TEXTS, **_HEARING, **_RERANK}),
}
