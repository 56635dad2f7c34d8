"""The OpenAPI 3.1 document, made from the route table, and a page that reads it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from hub import __version__
from hub.core.entry import Entry
from hub.edge.routes import Route
from hub.identity import Permission
from hub.ledger import LOOKED_AT
from hub.resources.schema import json_schema

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("path", "message", "source")},
            },
        },
    },
}
_RESOURCE: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "name", "version", "managed_by", "updated_at", "updated_by", "spec", "status"],
    "properties": {
        "kind": {"type": "string"},
        "name": {"type": "string"},
        "version": {"type": "integer"},
        "managed_by": {"type": "string", "enum": ["api", "file"]},
        "file": {"type": "string", "description": "The file that manages it, where one does."},
        "updated_at": {"type": "string", "format": "date-time"},
        "updated_by": {"type": "string"},
        "spec": {"type": "object"},
        "status": {"type": "object"},
        "secret": {"type": "string", "description": "A made key, shown once."},
    },
}
_SCHEMAS: dict[str, Any] = {
    "Problem": _PROBLEM,
    "Resource": _RESOURCE,
    "Page": {
        "type": "object",
        "required": ["items", "next"],
        "properties": {"items": {"type": "array", "items": {"type": "object"}}, "next": {"type": ["string", "null"]}},
    },
    "CallPage": {
        "type": "object",
        "required": ["items", "next", "cut", "total_count", "total_exact"],
        "properties": {
            "items": {"type": "array", "items": {"type": "object"}},
            "next": {"type": ["string", "null"]},
            "cut": {
                "type": "boolean",
                "description": f"{LOOKED_AT} calls were looked at and too few of them match; `next` goes on behind them.",
            },
            "total_count": {"type": "integer", "description": "How many calls match, on all pages together."},
            "total_exact": {"type": "boolean", "description": "False: there are at least `total_count`, maybe more."},
        },
    },
    "History": {"$ref": "#/components/schemas/Page"},
    "Connection": {
        "type": "object",
        "required": ["value"],
        "properties": {
            "value": {"type": "string", "description": "The provider's key; it goes to the vault."},
            "version": {
                "type": "integer",
                "description": "That of the list, 0 for none; 409 when it has changed since.",
            },
            "team": {"type": "string", "description": "A team whose keys you may make; without it, your own."},
        },
    },
    "OwnExport": {
        "type": "object",
        "required": ["endpoint"],
        "properties": {
            "endpoint": {"type": "string", "description": "Where a collector takes traces, over HTTP."},
            "protocol": {"type": "string", "enum": ["http/protobuf", "http/json"]},
            "auth": {"type": "string", "enum": ["none", "bearer", "basic", "api_key"]},
            "value": {
                "type": "string",
                "description": "The secret of `auth`; it goes to the vault. Left out: as it is.",
            },
            "api_key_header": {"type": "string"},
            "service_name": {"type": "string"},
            "sample": {"type": "number", "minimum": 0, "maximum": 1},
            "enabled": {"type": "boolean"},
            "version": {
                "type": "integer",
                "description": "That of the list, 0 for none; 409 when it has changed since.",
            },
            "team": {"type": "string", "description": "A team whose keys you may make; without it, your own calls."},
        },
    },
    "AccountKey": {
        "type": "object",
        "properties": {"key": {"type": "string", "description": "Your own key, where the server takes one."}},
    },
    "Approval": {
        "type": "object",
        "required": ["tools"],
        "properties": {
            "tools": {"type": "array", "items": {"type": "string"}, "description": "server/tool, or *"},
            "digests": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "The digest of each tool as it was looked at; 409 when one has changed since.",
            },
        },
    },
    "Dismissal": {
        "type": "object",
        "properties": {"digest": {"type": "string", "description": "That of the list; 409 when it has changed since."}},
    },
    "Restore": {
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"type": "integer"},
            "seen": {"type": "integer", "description": "The version that was current; 409 when it has changed since."},
        },
    },
    "Rotation": {
        "type": "object",
        "properties": {"overlap_seconds": {"type": "integer", "minimum": 0, "maximum": 2_592_000, "default": 0}},
    },
    "Password": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("password", "old", "new")},
        "description": "`password` for somebody else's, `old` and `new` for one's own.",
    },
    "Stop": {
        "type": "object",
        "required": ["scope"],
        "properties": {"scope": {"type": "object"}, "reason": {"type": "string", "maxLength": 500}},
    },
    "GuardrailTest": {
        "type": "object",
        "properties": {
            "samples": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {"text": {"type": "string"}, "found": {"type": "boolean"}},
                },
            },
            "spec": {"type": "object", "description": "A guardrail that is not saved yet."},
        },
    },
    "Rotated": {"type": "object", "properties": {"secret": {"type": "string"}}},
    "Apply": {
        "type": "object",
        "required": ["resources"],
        "properties": {
            "resources": {"$ref": "#/components/schemas/Resources"},
            "source": {"type": "string", "description": "The file that manages these resources."},
            "prune": {"type": "boolean", "description": "Delete what this source managed and no longer names."},
            "dry_run": {"type": "boolean"},
        },
    },
    "Changes": {
        "type": "object",
        "properties": {"dry_run": {"type": "boolean"}, "changes": {"type": "array", "items": {"type": "object"}}},
    },
    "Chat": {"type": "object", "required": ["model", "messages"], "description": "As for /v1/chat/completions."},
    "ToolTry": {
        "type": "object",
        "required": ["tool"],
        "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
    },
    "Recompute": {
        "type": "object",
        "properties": {
            "since": {"type": "string", "format": "date-time"},
            "until": {"type": "string", "format": "date-time"},
            "model": {"type": "string"},
            "target": {"type": "string"},
            "dry_run": {"type": "boolean", "default": False},
        },
    },
    "Reconcile": {
        "type": "object",
        "required": ["provider", "rows"],
        "properties": {
            "provider": {"type": "string"},
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["day", "cost_usd"],
                    "properties": {
                        "day": {"type": "string", "format": "date"},
                        "model": {"type": "string"},
                        "cost_usd": {"type": "string"},
                    },
                },
            },
        },
    },
    "Secret": {
        "type": "object",
        "required": ["value"],
        "properties": {
            "value": {"type": "string", "writeOnly": True},
            "seen": {
                "type": "string",
                "description": "`updated_at` of the list, empty for a new name; 409 when it was written since.",
            },
        },
    },
}


def _rehome(schema: Any) -> Any:
    """A JSON Schema with `#/$defs/` references moved to the document's components."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref" and isinstance(value, str)
            else _rehome(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_rehome(item) for item in schema]
    return schema


def _schemas() -> dict[str, Any]:
    files = json_schema()
    definitions = files.pop("$defs")
    (_, entry_definitions) = msgspec.json.schema_components([Entry], ref_template="#/components/schemas/{name}")
    files.pop("$schema")
    return {**_SCHEMAS, **_rehome(definitions), **entry_definitions, "Resources": _rehome(files)}


def _operation(route: Route) -> dict[str, Any]:
    path = route.path.replace(":path}", "}")
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    parameters += [
        {
            "name": one.name,
            "in": "query",
            "description": one.about,
            "schema": {"type": "string", **({"enum": list(one.choices)} if one.choices else {})},
        }
        for one in route.queries
    ]
    success: dict[str, Any] = {"description": "Done"}
    schema = {"$ref": f"#/components/schemas/{route.reply}"} if route.reply else {"type": "object"}
    success["content"] = {"application/json": {"schema": schema}}
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": route.summary,
        "tags": [route.tag],
        "description": f"Needs the permission `{route.permission}`" + (f" or `{route.also}`." if route.also else "."),
        "parameters": parameters,
        "responses": {
            "200": success,
            "default": {
                "description": "A problem, with a stable code",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{route.body}"}}},
        }
    if route.permission is Permission.PUBLIC:
        operation["security"] = []
    return operation


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path.replace(":path}", "}"), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "The hub's management API", "version": __version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }
