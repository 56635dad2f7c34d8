"""A profile and a client in, files out: what each client needs to find the hub, written so that it can be undone."""

from hub.install import own_command
from hub.install.clients import Client, client, clients
from hub.install.facts import Facts, Model, model_of
from hub.install.owned import Entry, Owned, OwnedFile, OwnedKey, load, save
from hub.install.writing import Plan, Undone, Where, apply, condition, missing, plan, undo

__all__ = [
    "Client",
    "Entry",
    "Facts",
    "Model",
    "Owned",
    "OwnedFile",
    "OwnedKey",
    "Plan",
    "Undone",
    "Where",
    "apply",
    "client",
    "clients",
    "condition",
    "load",
    "missing",
    "model_of",
    "own_command",
    "plan",
    "save",
    "undo",
]
