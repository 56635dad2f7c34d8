"""What a call consumed, in buckets that never overlap, so that each is priced exactly once."""

from operator import add

from msgspec import Struct
from msgspec.structs import astuple


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    """Token counts of one call. `input` excludes cached tokens, `output` excludes reasoning.

    `image` is what was drawn, `image_in` what was looked at where pictures have a rate of their own (image endpoints).
    `searches` counts web searches of the provider's own, which are charged each. `tool_calls` counts calls of tools
    (the unit of a tool call's own entry), `estimated` is true when the provider reported nothing and the hub counted
    for itself.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image: int = 0
    tool_calls: int = 0
    image_in: int = 0
    searches: int = 0
    estimated: bool = False

    def plus(self, other: "Usage") -> "Usage":
        """Both together."""
        counts = map(add, astuple(self)[:-1], astuple(other)[:-1])
        return Usage(*counts, estimated=self.estimated or other.estimated)

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.audio_in + self.image_in

    @property
    def completion(self) -> int:
        """All tokens that the model produced."""
        return self.output + self.reasoning + self.audio_out + self.image
