"""The models that may be called, with what they cost."""

from hub.cli.client import Connection
from hub.cli.output import show_json, table


def models(search: str | None = None, *, connection: Connection = Connection()) -> None:
    """Show the models that your key may call, with price and context."""
    with connection.api() as api:
        items = api.call("GET", "/v1/models")["data"]
    words = (search or "").lower().split()
    items = [item for item in items if all(word in f"{item['id']} {item['display_name']}".lower() for word in words)]
    if connection.json:
        show_json(items)
        return
    table(
        ("model", "context", "USD in / M", "USD out / M", "can"),
        (
            (
                item["id"],
                item.get("context_window"),
                *((item.get("price") or {}).get(side) for side in ("input", "output")),
                ", ".join(item.get("capabilities") or ()),
            )
            for item in items
        ),
        right=("context", "USD in / M", "USD out / M"),
    )
