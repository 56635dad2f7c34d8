"""Which tools exist and who owns them: the views of all profiles, kept until something they depend on changes."""

from hub.catalogue.views import Catalogue

__all__ = ["Catalogue"]
