"""The Console and the Admin Dashboard, rendered on the server from what the API offers."""

from hub.ui.pages import Pages, Sources

__all__ = ["Pages", "Sources"]
