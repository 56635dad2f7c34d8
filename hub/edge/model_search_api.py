"""`/api/v1/model-catalogue`: every model whose facts the hub knows, whether or not a provider here serves it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.edge.routes import Answer, Ask, Query, Route, limit_of
from hub.identity import Permission
from hub.resources import Snapshot
from hub.resources.model_catalog import CatalogModel
from hub.routing import price_view, visible_models

PATH = "/api/v1/model-catalogue"
MOST_CHARACTERS = 200
_QUERY = (Query("search", "words, each of which the id or the name holds"),)


class ModelSearchApi:
    """The catalogue that comes with the hub, page by page in the order of ids."""

    async def _list(self, ask: Ask) -> Answer:
        search, limit, after = ask.query("search"), limit_of(ask), ask.query("cursor")
        if len(search) > MOST_CHARACTERS:
            raise Malformed("malformed", f"search has at most {MOST_CHARACTERS} characters.")
        found = sorted(ask.snapshot.catalogue.search(search), key=lambda model: model.id)
        rest = [model for model in found if model.id > after]
        names = _names(ask.snapshot, ask.principal)
        items = [_view(model, names.get(model.id, [])) for model in rest[:limit]]
        return Answer({"items": items, "next": rest[limit - 1].id if len(rest) > limit else None})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        about = (
            "Search every model whose price and limits are known; `called` are the names under which you may call it"
        )
        yield Route("GET", PATH, Permission.SELF, about, self._list, "models", reply="Page", query=_QUERY)


def _names(snapshot: Snapshot, principal: Principal) -> dict[str, list[str]]:
    """Under which names `principal` may call each model of the catalogue."""
    names: dict[str, list[str]] = defaultdict(list)
    for visible in visible_models(snapshot, principal):
        for known in filter(None, map(snapshot.catalogue_model, visible.targets)):
            names[known.id].append(visible.id)
    return names


def _view(model: CatalogModel, called: list[str]) -> dict[str, Any]:
    """A model as the list shows it: price in USD per million tokens, as decimal strings; None is not known."""
    return {
        "id": model.id,
        "display_name": model.name or model.id,
        "kind": model.kind,
        "called": called,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "price": price_view(model.price),
        "modalities": {"input": list(model.input_modalities), "output": list(model.output_modalities)},
        "capabilities": list(model.capabilities),
        "deprecated": model.deprecated or None,
        "successor": model.successor or None,
        "source": model.source or None,
    }
