"""The Console and the Admin Dashboard, rendered on the server from what the management API answers."""

from hub.ui.pages import Pages
from hub.ui.sources import Sources

__all__ = ["Pages", "Sources"]
