"""The port between guardrails and those who judge for them: webhooks, moderation models, models that judge."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody else says about texts: whether they found something, what kind, and the texts without it.

    `texts` stands for the texts that were asked about, one for one, or is empty.
    """

    found: bool
    kind: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the texts at a point of a call, for a rule. `about` says whose call it is."""

    rule: str
    point: str
    texts: tuple[str, ...]
    about: tuple[tuple[str, str], ...] = ()


class Judges(Protocol):
    """Those who judge. Each raises Refusal, or takes longer than its deadline, when it has no opinion."""

    async def webhook(self, question: Question, url: str, secret: str, *, private: bool) -> Opinion:
        """Post the texts to `url`, signed with the secret that `secret` refers to."""
        ...

    async def moderation(self, question: Question, model: str) -> Opinion:
        """Ask a provider's moderation model, `provider/model`."""
        ...

    async def judge(self, question: Question, model: str, asked: str) -> Opinion:
        """Ask a model of this hub the question `asked` about the texts."""
        ...
