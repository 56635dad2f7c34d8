"""A profile's spec and what its servers offer in, the tools that its clients see out. Pure."""

from hub.profile.checks import faults_in
from hub.profile.clients import CLIENTS, MAX_NAME, Client, client_key, client_name, client_names
from hub.profile.compose import Known, compose, is_identity
from hub.profile.lock import Drift, Pin
from hub.profile.naming import Given, public_names
from hub.profile.offers import Offer, Offered
from hub.profile.view import Address, Gap, Item, Kind, ProfileView, Prompt, Tool

__all__ = [
    "CLIENTS",
    "MAX_NAME",
    "Address",
    "Client",
    "Drift",
    "Gap",
    "Given",
    "Item",
    "Kind",
    "Known",
    "Offer",
    "Offered",
    "Pin",
    "ProfileView",
    "Prompt",
    "Tool",
    "client_key",
    "client_name",
    "client_names",
    "compose",
    "faults_in",
    "is_identity",
    "public_names",
]
