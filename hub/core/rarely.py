"""Parts that few hubs use are imported when one does, by name: each would take megabytes for as long as the process lives.

Everything else is imported at the top of the module that uses it. `docs/decisions/0009-parts-that-few-use.md` says why.
"""

from enum import StrEnum
from importlib import import_module
from typing import Any


class Part(StrEnum):
    """Each such part: the module that alone imports what is heavy."""

    MIGRATIONS = "hub.store.migrating"  # alembic, mako, Pygments: 12 MB, for a database that an older hub wrote
    SPANS = "hub.ledger.spans"  # protobuf and OpenTelemetry's messages: 2 MB, for exports of traces
    TEMPLATES = "hub.ui.rendering"  # Jinja and markdown-it: 3 MB, for pages
    JSON_SCHEMAS = "hub.resources.json_schemas"  # jsonschema: 2 MB, for guardrails that hold answers to one
    GOOGLE = "hub.upstream.google_token"  # joserfc: 1 MB, for service accounts of Google's
    LETTERS = "hub.upstream.letters"  # smtplib and email: 1 MB, for alerts by e-mail
    TOML = "hub.install.toml_edit"  # tomlkit: 1 MB, for configurations of some clients
    CIPHERS = "hub.core.ciphers"  # cryptography: 8 MB, until something is encrypted
    SHARED = "hub.store.shared"  # redis: 7 MB, for replicas that share one


def load(part: Part) -> Any:
    """The module of a part, imported once."""
    return import_module(part)
