"""An OAuth server and a protected MCP server as an endpoint in memory: what they say can be changed, and is written down."""

import json
import math
from urllib.parse import parse_qs

SERVER = "https://tools.example/mcp"
ISSUER = "https://login.example/realm"
REDIRECT = "https://hub.example/oauth/connected"


class Said:
    """One answer. See `hub.upstream.exchange.Response`."""

    def __init__(self, status=200, body=b"{}", headers=None):
        self.status = status
        self.headers = headers or {}
        self._body = [body] if body else []
        self.closed = False

    async def read(self, patience=math.inf):
        return self._body.pop() if self._body else b""

    def close(self):
        self.closed = True


class Script:
    """`documents` are answered to GET by their address; `token` and `register` are called with what is posted."""

    def __init__(self):
        self.asked = []
        self.challenge = f'Bearer error="x", resource_metadata="{SERVER}/.well-known/prm", scope="read write"'
        self.resource = {"resource": SERVER, "authorization_servers": [ISSUER], "scopes_supported": ["read"]}
        self.issuer = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "registration_endpoint": f"{ISSUER}/register",
            "code_challenge_methods_supported": ["S256"],
        }
        self.places = {
            f"{SERVER}/.well-known/prm": lambda: self.resource,
            "https://login.example/.well-known/oauth-authorization-server/realm": lambda: self.issuer,
        }
        self.registered = (201, {"client_id": "made"})
        self.tokens = [(200, {"access_token": "a1", "token_type": "Bearer", "expires_in": 100, "refresh_token": "r1"})]
        self.good = {"a1"}

    async def request(self, exchange):
        self.asked.append(exchange)
        url = exchange.url
        if exchange.method == "GET":
            found = self.places.get(url)
            return Said(404, b"") if found is None else Said(200, json.dumps(found()).encode())
        if url == f"{ISSUER}/register":
            return Said(self.registered[0], json.dumps(self.registered[1]).encode())
        if url == f"{ISSUER}/token":
            status, body = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            if isinstance(body, Exception):
                raise body
            return Said(status, json.dumps(body).encode())
        bearer = dict(exchange.headers).get("Authorization", "").removeprefix("Bearer ")
        if bearer in self.good:
            return Said(200, b'{"jsonrpc":"2.0","id":1,"result":{}}')
        return Said(401, b"", {"www-authenticate": self.challenge})

    def posted(self, path):
        """What was posted to a path of the issuer."""
        found = [one for one in self.asked if one.url == f"{ISSUER}/{path}" and one.method == "POST"]
        if path == "register":
            return [json.loads(one.body) for one in found]
        return [{name: values[0] for name, values in parse_qs(one.body.decode()).items()} for one in found]
