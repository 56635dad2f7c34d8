"""HTTP in, calls out: guards what arrives, hands it to a path, and writes the answer in the caller's shape."""

from hub.edge.body import CallerLeft, read_body
from hub.edge.credentials import credentials, presented
from hub.edge.dispatch import Dispatch
from hub.edge.errors import Shape, exception_handlers, json_rpc_error, refuse, request_id_of
from hub.edge.forwarded import Proxies
from hub.edge.guards import Guard
from hub.edge.heads import HttpLimits
from hub.edge.in_flight import Exchange, InFlight
from hub.edge.loop_lag import LoopLag
from hub.edge.models_api import ModelDesk, ModelsApi
from hub.edge.ops_api import OpsApi
from hub.edge.origins import origin_of
from hub.edge.provider_status import provider_view
from hub.edge.server import GuardedServer, Serving, listen, raise_file_limit, serve
from hub.edge.wire import carry

__all__ = [
    "CallerLeft",
    "Dispatch",
    "Exchange",
    "Guard",
    "GuardedServer",
    "HttpLimits",
    "InFlight",
    "LoopLag",
    "ModelDesk",
    "ModelsApi",
    "OpsApi",
    "Proxies",
    "Serving",
    "Shape",
    "carry",
    "credentials",
    "exception_handlers",
    "json_rpc_error",
    "listen",
    "origin_of",
    "presented",
    "provider_view",
    "raise_file_limit",
    "read_body",
    "refuse",
    "request_id_of",
    "serve",
]
