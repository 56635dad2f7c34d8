"""The doors that show what a profile offers: catalogues, marketplaces, the registry and bare configurations."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.routing import BaseRoute

from hub.app.listings import Listings
from hub.edge.catalog_api import CatalogApi, Sources
from hub.edge.catalogue_visitors import CatalogueVisitors
from hub.edge.marketplace_api import MarketplaceApi
from hub.edge.registry_api import RegistryApi


def catalogue_routes(
    listings: Listings, visitors: CatalogueVisitors, address: Callable[[Request], str]
) -> list[BaseRoute]:
    """The routes, to be mounted at the root."""
    sources = Sources(listings, visitors.principal, address)
    return [
        *CatalogApi(sources).routes(),
        *MarketplaceApi(sources).routes(),
        *RegistryApi(sources, visitors.holder).routes(),
    ]
