"""A plan in, bytes of a provider out; a server's name in, its MCP connection out."""

from hub.upstream.answers import wish_of
from hub.upstream.attempts import check_query
from hub.upstream.checks import ProviderChecks
from hub.upstream.credentials import ProviderSecrets, SecretSource
from hub.upstream.delivery import Delivery
from hub.upstream.demo.model import SUGGESTED_MODEL, DemoProvider, Echo
from hub.upstream.exchange import Endpoint, Exchange, Response, chunks_of, read_whole
from hub.upstream.failures import Unmetered
from hub.upstream.guard import is_public
from hub.upstream.headers import raw_headers
from hub.upstream.http import Transport
from hub.upstream.mail import Mail
from hub.upstream.mcp.accounts import Accounts
from hub.upstream.mcp.capabilities import can_be_asked, handshake_form
from hub.upstream.mcp.confirming import AGREED, agreed, question
from hub.upstream.mcp.headers import NAMED_BY, encode_value, mirrored_of, param_headers
from hub.upstream.mcp.lines import Events
from hub.upstream.mcp.pool import Servers
from hub.upstream.mcp.sign_in import DOCUMENT, ServerSignIns, client_document, owner_for
from hub.upstream.mcp.values import (
    MOST_MESSAGE,
    MOST_RESULT,
    Ask,
    Builtin,
    BuiltinTool,
    CallerContext,
    Era,
    Pace,
    Ports,
    PromptDefinition,
    ResourceDefinition,
    Resume,
    RpcReply,
    ServerDefinitions,
    ServerState,
    ServerStatus,
    ToolDefinition,
)
from hub.upstream.models import ModelUpstream
from hub.upstream.oauth_client import OAuthClient
from hub.upstream.programs import Bounds, CallFailed, Outcome, Sandbox
from hub.upstream.webhooks import Webhooks

__all__ = [
    "AGREED",
    "DOCUMENT",
    "MOST_MESSAGE",
    "MOST_RESULT",
    "NAMED_BY",
    "SUGGESTED_MODEL",
    "Accounts",
    "Ask",
    "Bounds",
    "Builtin",
    "BuiltinTool",
    "CallFailed",
    "CallerContext",
    "Delivery",
    "DemoProvider",
    "Echo",
    "Endpoint",
    "Era",
    "Events",
    "Exchange",
    "Mail",
    "ModelUpstream",
    "OAuthClient",
    "Outcome",
    "Pace",
    "Ports",
    "PromptDefinition",
    "ProviderChecks",
    "ProviderSecrets",
    "ResourceDefinition",
    "Response",
    "Resume",
    "RpcReply",
    "Sandbox",
    "SecretSource",
    "ServerDefinitions",
    "ServerSignIns",
    "ServerState",
    "ServerStatus",
    "Servers",
    "ToolDefinition",
    "Transport",
    "Unmetered",
    "Webhooks",
    "agreed",
    "can_be_asked",
    "check_query",
    "chunks_of",
    "client_document",
    "encode_value",
    "handshake_form",
    "is_public",
    "mirrored_of",
    "owner_for",
    "param_headers",
    "question",
    "raw_headers",
    "read_whole",
    "wish_of",
]
