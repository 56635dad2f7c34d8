"""A profile's spec and what its servers offer in, the tools that its clients see out. Pure."""

from hub.profile.checks import faults_in
from hub.profile.compose import compose, is_identity
from hub.profile.naming import MAX_NAME, public_names
from hub.profile.offers import Offer, Offered
from hub.profile.view import Address, Gap, Item, Kind, ProfileView, Prompt, Tool

__all__ = [
    "MAX_NAME",
    "Address",
    "Gap",
    "Item",
    "Kind",
    "Offer",
    "Offered",
    "ProfileView",
    "Prompt",
    "Tool",
    "compose",
    "faults_in",
    "is_identity",
    "public_names",
]
