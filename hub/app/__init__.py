"""The composition root: every stage is constructed here and nowhere else, and everything opened here is closed here."""

from hub.app.assembly import Hub, Worker, assembled
from hub.app.first_start import Started

__all__ = ["Hub", "Started", "Worker", "assembled"]
