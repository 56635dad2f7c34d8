"""Token counts by size, for what nobody counted: about four bytes to a token."""

BYTES_PER_TOKEN = 4


def estimate_tokens(body: bytes) -> int:
    """About how many tokens the prompt in `body` has. The JSON around it is counted too, so it is rather too many."""
    return len(body) // BYTES_PER_TOKEN + 1


def estimate_output(size: int, events: int, envelope: int) -> int:
    """About how many tokens `events` events of together `size` bytes delivered, each in `envelope` bytes of JSON."""
    return max(size - events * envelope, 0) // BYTES_PER_TOKEN + (1 if events else 0)
