"""OpenAPI servers: operations become tools, arguments stay in their places, answers become results."""

import asyncio
import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.refusal import UpstreamFailed
from hub.resources import parse
from hub.upstream import CallerContext, Pace, Ports, ServerState
from hub.upstream.openapi.document import NotADocument, parse_document
from hub.upstream.openapi.operations import api_of
from hub.upstream.openapi.requests import BadArgument, request_of
from hub.upstream.openapi.results import result_of
from hub.upstream.openapi.server import OpenApiServer

pytestmark = pytest.mark.anyio

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Billing", "version": "1"},
    "servers": [{"url": "https://{host}/v1", "variables": {"host": {"default": "billing.example"}}}],
    "paths": {
        "/customers/{customer}/invoices": {
            "parameters": [{"name": "customer", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "listInvoices",
                "summary": "List invoices.",
                "parameters": [
                    {"name": "region", "in": "query", "schema": {"type": "string", "nullable": True}},
                    {"name": "ids", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    {"name": "lang", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
            "post": {
                "operationId": "createInvoice",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Invoice"}}},
                },
            },
        },
        "/search": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"oneOf": [{"type": "string"}]}}}},
                "deprecated": True,
            }
        },
        "/login": {
            "post": {
                "operationId": "login",
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"type": "object", "properties": {"user": {"type": "string"}}}
                        }
                    }
                },
            }
        },
        "/upload": {"post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {}}}}},
        "/out": {"get": {"operationId": "out", "parameters": [{"$ref": "https://evil.example/p.json"}]}},
        "/x/{a}": {"get": {"operationId": "noParameter"}},
    },
    "components": {
        "schemas": {
            "Invoice": {
                "type": "object",
                "required": ["amount", "id"],
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "amount": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                    "customer": {"type": "string"},
                    "parent": {"$ref": "#/components/schemas/Invoice"},
                },
            }
        }
    },
}


def api(document=DOCUMENT, chosen=("*",)):
    return api_of(parse_document(json.dumps(document).encode()), chosen)


def operations(**more):
    return {one.name: one for one in api(**more).operations}


# -- documents ---------------------------------------------------------------------------------------------------------


def test_operations_become_tools():
    found = api()
    assert [one.name for one in found.operations] == ["listInvoices", "createInvoice", "post_search", "login"]
    assert {name for name, _ in found.rejected} == {"upload", "out", "noParameter"}
    assert "nothing is fetched" in dict(found.rejected)["out"]
    assert (found.address, found.title) == ("https://billing.example/v1", "Billing")
    listing = json.loads(found.operations[0].definition)
    assert listing["description"] == "List invoices."
    assert listing["annotations"]["readOnlyHint"] is True
    properties = listing["inputSchema"]["properties"]
    assert list(properties) == ["customer", "region", "ids", "filter", "X-Trace", "lang"]
    assert properties["region"] == {"type": ["string", "null"]}
    assert listing["inputSchema"]["required"] == ["customer"]


def test_a_body_that_is_an_object_becomes_arguments_of_its_own():
    made = json.loads(operations()["createInvoice"].definition)["inputSchema"]
    assert list(made["properties"]) == ["customer__path", "amount", "customer", "parent"]
    assert made["required"] == ["customer__path", "amount"]
    assert made["properties"]["amount"] == {"type": "number", "exclusiveMinimum": 0}
    assert made["properties"]["parent"] == {"$ref": "#/$defs/Invoice"}
    assert made["$defs"]["Invoice"]["properties"]["parent"] == {"$ref": "#/$defs/Invoice"}
    assert list(json.loads(operations()["post_search"].definition)["inputSchema"]["properties"]) == ["body"]


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (["list*"], ["listInvoices"]),
        (["GET *"], ["listInvoices"]),
        (["*", "!POST *"], ["listInvoices"]),
        (["*", "!create*", "!login", "!post_*"], ["listInvoices"]),
        ([], []),
    ],
    ids=str,
)
def test_operations_are_chosen_by_name_or_by_method_and_path(chosen, names):
    assert sorted(operations(chosen=chosen)) == names


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"a: [", "not YAML"),
        (b"swagger: '2.0'", "openapi: 3.x"),
        (b'{"openapi":"3.1.0","x":' + b"[" * 500 + b"]" * 500 + b"}", "deep"),
        (b"openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (n + 1, n + 1, n, n, n, n, n, n, n, n) for n in range(97, 106)
        ), "too large"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_said_without_repeating_it(data, says):
    with pytest.raises(NotADocument) as refused:
        parse_document(data)
    assert says in refused.value.message


def test_yaml_is_read_as_json_would_be():
    made = parse_document(b"openapi: 3.1.0\ninfo: {title: t, version: 2024-01-01}\n")
    assert made["info"]["version"] == "2024-01-01"


# -- requests ----------------------------------------------------------------------------------------------------------


def test_every_argument_goes_to_its_place():
    made = request_of(
        operations()["listInvoices"],
        {
            "customer": "a/b c?#%é",
            "region": "eu&x=1",
            "ids": [1, 2],
            "filter": {"a": 1, "b&": True},
            "X-Trace": "t-1",
            "lang": "d;e",
        },
    )
    path, _, query = made.target.partition("?")
    assert path == "/customers/a%2Fb%20c%3F%23%25%C3%A9/invoices"
    assert query == "region=eu%26x%3D1&ids=1&ids=2&filter%5Ba%5D=1&filter%5Bb%26%5D=true"
    assert ("X-Trace", "t-1") in made.headers
    assert ("Cookie", "lang=d%3Be") in made.headers
    assert not any(name == "Authorization" for name, _ in made.headers)


def test_bodies():
    made = request_of(operations()["createInvoice"], {"customer__path": "c", "amount": 1.5, "customer": "é"})
    assert json.loads(made.body) == {"amount": 1.5, "customer": "é"}
    assert ("Content-Type", "application/json") in made.headers
    assert json.loads(request_of(operations()["post_search"], {"body": "x"}).body) == "x"
    assert request_of(operations()["post_search"], {}).body == b""
    assert request_of(operations()["login"], {"user": "a&b=c"}).body == b"user=a%26b%3Dc"


ESCAPES = [
    "..",
    ".",
    "../admin",
    "..\\admin",
    "a/../../b",
    "%2e%2e",
    "%2E%2E/admin",
    "\0",
    "",
    " .. /x",
    "a/./b",
]


@pytest.mark.parametrize("value", ESCAPES, ids=repr)
def test_a_path_parameter_cannot_leave_its_path(value):
    with pytest.raises(BadArgument):
        request_of(operations()["listInvoices"], {"customer": value})


@given(st.text(min_size=1))
def test_whatever_a_path_parameter_is_the_path_around_it_stays(value):
    try:
        target = request_of(operations()["listInvoices"], {"customer": value}).target
    except (BadArgument, UnicodeEncodeError):
        return
    parts = urlsplit("https://h" + target).path.split("/")
    assert [parts[1], parts[3]] == ["customers", "invoices"]
    assert len(parts) == 4
    assert unquote(parts[2]) == value
    assert ".." not in unquote(parts[2]).replace("\\", "/").split("/")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0", "é"])
def test_a_header_cannot_begin_another(value):
    with pytest.raises(BadArgument):
        request_of(operations()["listInvoices"], {"customer": "c", "X-Trace": value})


def test_a_missing_path_parameter_is_said():
    with pytest.raises(BadArgument, match="'customer' is missing"):
        request_of(operations()["listInvoices"], {})


# -- results -----------------------------------------------------------------------------------------------------------


def result(status, body=b"", kind="application/json", **headers):
    return json.loads(result_of(status, {"content-type": kind, **headers}, body))


def test_json_is_text_and_structure():
    made = result_of(
        200, {"content-type": "application/json; charset=utf-8"}, b'{"n":1.50,"big":123456789012345678901}'
    )
    assert b'"structuredContent":{"n":1.50,"big":123456789012345678901}' in made
    assert json.loads(json.loads(made)["content"][0]["text"])["n"] == 1.5
    assert result(200, b"[1]")["structuredContent"] == {"result": [1]}
    assert "structuredContent" not in result(200, b"{broken")


def test_other_answers():
    assert result(200, b"hi", "text/plain")["content"] == [{"type": "text", "text": "hi"}]
    assert result(200, b"\x89", "image/png")["content"][0] == {"type": "image", "data": "iQ==", "mimeType": "image/png"}
    assert "3 bytes of application/zip" in result(200, b"abc", "application/zip")["content"][0]["text"]
    assert "204" in result(204)["content"][0]["text"]


def test_errors_and_redirects_are_errors_of_the_tool():
    made = result(422, b'{"why":"no"}')
    assert made["isError"]
    assert made["content"][0]["text"] == 'HTTP status 422.\n{"why":"no"}'
    assert "Retry after 5" in result(429, **{"retry-after": "5"})["content"][0]["text"]
    assert "not followed" in result(302)["content"][0]["text"]


# -- the server --------------------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, body, headers=None):
        self.status = status
        self.headers = headers or {"content-type": "application/json"}
        self._chunks = [body, b""]

    async def read(self, patience=None):
        return self._chunks.pop(0)

    def close(self):
        return


class World:
    """Whatever is behind HTTP, and what was asked of it; and the snapshots that were kept."""

    def __init__(self):
        self.exchanges = []
        self.answers = {}
        self.kept = {}

    async def request(self, exchange):
        self.exchanges.append(exchange)
        answer = self.answers.get(urlsplit(exchange.url).path, (200, b'{"ok":true}'))
        if isinstance(answer, Exception):
            raise answer
        return Answer(*answer)

    async def load(self):
        return self.kept

    async def save(self, server, data):
        self.kept[server] = data

    async def resolve(self, reference):
        return f"secret of {reference}"


class Running:
    """A server whose task runs, and what it told."""

    def __init__(self, world, **spec):
        self.world = world
        self.changes = asyncio.Event()
        ports = Ports(transport=world, resolve=world.resolve, snapshots=world, folder=Path())
        pace = Pace(first_delay=0.01, refresh=0.01, ceiling=0.02)
        self.server = OpenApiServer(
            "billing", parse("servers", "billing", spec), ports, pace, lambda _: self.changes.set()
        )

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.server.run())
        return self

    async def __aexit__(self, *exc_info):
        self.server.retire()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, state):
        async with asyncio.timeout(20):
            while self.server.definitions.state is not state:
                self.changes.clear()
                await self.changes.wait()

    async def call(self, name, **arguments):
        params = json.dumps({"name": name, "arguments": arguments}).encode()
        return await self.server.request("tools/call", params, CallerContext())


@pytest.fixture
def world():
    return World()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "billing.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


async def test_a_document_of_a_file_is_served_and_read_again(world, file):
    async with Running(world, openapi=str(file), auth={"type": "bearer", "secret": "env:TOKEN"}) as running:
        await running.until(ServerState.READY)
        assert [tool.name for tool in running.server.definitions.tools][:2] == ["listInvoices", "createInvoice"]
        reply = await running.call("listInvoices", customer="c", region="eu")
        assert json.loads(reply.result)["structuredContent"] == {"ok": True}
        exchange = world.exchanges[-1]
        assert exchange.url == "https://billing.example/v1/customers/c/invoices?region=eu"
        assert ("Authorization", "Bearer secret of env:TOKEN") in exchange.headers
        assert not exchange.private
        status = running.server.status()
        assert (status.transport, status.tools, len(status.rejected)) == ("openapi", 4, 3)
        file.write_text("{")
        await running.until(ServerState.STALE)
        assert len(running.server.definitions.tools) == 4
        assert "not JSON" in running.server.definitions.error
        assert json.loads((await running.call("listInvoices", customer="c")).result)["isError"] is False


async def test_what_was_read_before_is_served_at_once(world, file):
    async with Running(world, openapi=str(file)) as running:
        await running.until(ServerState.READY)
    file.unlink()
    again = Running(world, openapi=str(file))
    again.server.recall(world.kept["billing"])
    assert len(again.server.definitions.tools) == 4
    assert again.server.definitions.state is ServerState.STALE
    other = Running(world, openapi="/another.json")
    other.server.recall(world.kept["billing"])
    assert other.server.definitions.tools == ()


async def test_a_document_that_is_missing_says_where_it_was_looked_for(world, tmp_path):
    async with Running(world, openapi=str(tmp_path / "no.json")) as running:
        await running.until(ServerState.FAILED)
        assert "no.json" in running.server.definitions.error
        with pytest.raises(Exception, match="not ready"):
            await running.call("listInvoices")


async def test_a_document_from_elsewhere_chooses_neither_who_gets_the_credential_nor_what_is_private(world):
    world.answers["/doc.json"] = (200, json.dumps(DOCUMENT).encode())
    auth = {"type": "bearer", "secret": "env:TOKEN"}
    async with Running(world, openapi="https://docs.example/doc.json", auth=auth) as running:
        await running.until(ServerState.FAILED)
        assert "write base_url" in running.server.definitions.error
    async with Running(world, openapi="https://docs.example/doc.json", allow_private=True) as running:
        await running.until(ServerState.READY)
        await running.call("listInvoices", customer="c")
        assert not world.exchanges[-1].private
    base = {"base_url": "https://here.example/api", "auth": auth, "allow_private": True}
    async with Running(world, openapi="https://docs.example/doc.json", **base) as running:
        await running.until(ServerState.READY)
        await running.call("listInvoices", customer="c")
        assert world.exchanges[-1].url == "https://here.example/api/customers/c/invoices"
        assert world.exchanges[-1].private


async def test_calls_that_cannot_be_made(world, file):
    async with Running(world, openapi=str(file)) as running:
        await running.until(ServerState.READY)
        escaping = json.loads((await running.call("listInvoices", customer="../x")).result)
        assert escaping["isError"]
        assert "may not lead to another path" in escaping["content"][0]["text"]
        assert (await running.call("nothing")).error
        assert (await running.server.request("prompts/list", b"{}", CallerContext())).error
        world.answers["/v1/customers/c/invoices"] = UpstreamFailed("upstream_timeout", "too late")
        with pytest.raises(UpstreamFailed):
            await running.call("listInvoices", customer="c")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"openapi": "x.json", "url": "https://h/mcp"}, "exactly one of"),
        ({"url": "https://h/mcp", "base_url": "https://h"}, "base_url has no effect"),
        ({"command": ["x"], "operations": ["a"]}, "operations goes with openapi"),
        ({"openapi": "x.json", "cwd": "/"}, "cwd has no effect"),
    ],
    ids=str,
)
def test_fields_that_do_not_go_together(spec, says):
    with pytest.raises(Exception, match=says):
        parse("servers", "s", spec)
