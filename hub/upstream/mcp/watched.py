"""Which resources and tasks of which server somebody watches, and whom to tell."""

from collections.abc import Callable

from hub.upstream.mcp.wire import NotRpc, parse_object, parse_text

Listener = Callable[[bytes], None]


class Watched:
    """What is watched, by server; `what` is `uri URI` or `task ID`."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[str, list[Listener]]] = {}

    def add(self, server: str, what: str, listener: Listener) -> Callable[[], None]:
        """Tell `listener` too; returns how to stop that."""
        of_server = self._listeners.setdefault(server, {})
        listeners = of_server.setdefault(what, [])
        listeners.append(listener)

        def stop() -> None:
            if listener in listeners:
                listeners.remove(listener)
            if not listeners and of_server.get(what) is listeners:
                del of_server[what]

        return stop

    def of(self, server: str) -> frozenset[str]:
        """What is watched of a server."""
        return frozenset(self._listeners.get(server, ()))

    def told(self, server: str, params: bytes) -> None:
        """A server says that a resource has changed, or how a task fares. A parent is told of what lies below it."""
        try:
            members = parse_object(params)
        except NotRpc:
            return
        uri, task = (parse_text(bytes(members.get(name, b""))) for name in ("uri", "taskId"))
        for what, listeners in list(self._listeners.get(server, {}).items()):
            kind, _, name = what.partition(" ")
            below = kind == "uri" and uri and (uri == name or uri.startswith(name.rstrip("/") + "/"))
            if below or (kind == "task" and task == name):
                for listener in tuple(listeners):
                    listener(params)
