"""What exports are sent to: an HTTP server on loopback that reads OTLP and webhooks, and fails when it is told to."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Keeps every request. `statuses` are given out first, then 200."""

    def __init__(self):
        self.received = []
        self.statuses = []
        self._lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with collector._lock:
                    status = collector.statuses.pop(0) if collector.statuses else 200
                    collector.received.append((status, self.path, dict(self.headers.items()), body))
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def taken(self, path):
        """Bodies and headers that were accepted at a path, in order."""
        with self._lock:
            found = [(headers, body) for status, at, headers, body in self.received if at == path and status == 200]
        return [({name.lower(): value for name, value in headers.items()}, body) for headers, body in found]

    def spans(self, path="/v1/traces"):
        """All spans that were accepted, as (resource attributes, span)."""
        found = []
        for headers, body in self.taken(path):
            assert headers["content-type"] == "application/x-protobuf"
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                about = attributes(resource.resource)
                found += [(about, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def items(self, path):
        """All items of the webhooks that were accepted."""
        return [item for _, body in self.taken(path) for item in json.loads(body)["items"]]


def attributes(holder):
    """Attributes as a dictionary."""

    def plain(value):
        kind = value.WhichOneof("value")
        if kind == "array_value":
            return [plain(item) for item in value.array_value.values]
        return getattr(value, kind)

    return {pair.key: plain(pair.value) for pair in holder.attributes}


@contextlib.contextmanager
def collecting():
    collector = Collector()
    collector._thread.start()
    try:
        yield collector
    finally:
        collector._server.shutdown()
        collector._thread.join()
        collector._server.server_close()
