"""A profile's spec and what its servers offer in, the tools that its clients see out. Pure."""

from hub.profile.checks import faults_in
from hub.profile.compose import Gap, Offer, Offered, ProfileView, Tool, compose
from hub.profile.naming import MAX_NAME, public_names

__all__ = ["MAX_NAME", "Gap", "Offer", "Offered", "ProfileView", "Tool", "compose", "faults_in", "public_names"]
