"""A plan in, bytes of a provider out; a server's name in, its MCP connection out."""

from hub.upstream.credentials import ProviderSecrets, SecretSource
from hub.upstream.demo import SUGGESTED_MODEL, DemoProvider
from hub.upstream.exchange import Endpoint, Exchange, Response, chunks_of, read_whole
from hub.upstream.guard import is_public
from hub.upstream.http import Transport
from hub.upstream.models import Delivery, ModelUpstream

# -- MCP servers: re-exported here (owner of mcp_*.py) ----------------------------------------------------------------

__all__ = [
    "SUGGESTED_MODEL",
    "Delivery",
    "DemoProvider",
    "Endpoint",
    "Exchange",
    "ModelUpstream",
    "ProviderSecrets",
    "Response",
    "SecretSource",
    "Transport",
    "chunks_of",
    "is_public",
    "read_whole",
]
