"""A profile's spec and what its servers offer in, the tools that its clients see out. Pure."""

from hub.profile.arguments import Schemas
from hub.profile.asking import named_question, named_questions
from hub.profile.checks import faults_in
from hub.profile.clients import CLIENTS, MAX_NAME, Client, client_key, client_name, client_names
from hub.profile.compose import Known, compose, is_identity
from hub.profile.explain import Explanation, explain
from hub.profile.lock import Drift, Pin, differences
from hub.profile.memory import Memory, Remembered, merged
from hub.profile.modes import MODES, presented
from hub.profile.naming import Given, public_names
from hub.profile.offers import Offer, Offered
from hub.profile.reading import as_tool_result, resources_page
from hub.profile.results import Results, fitted, grep_text, page_of
from hub.profile.scanner import Finding, findings
from hub.profile.search import Index, index_of
from hub.profile.stubs import function_names, stub
from hub.profile.targets import Target, address_of, target_of
from hub.profile.view import Address, Gap, Item, Kind, ProfileView, Prompt, Tool

__all__ = [
    "CLIENTS",
    "MAX_NAME",
    "MODES",
    "Address",
    "Client",
    "Drift",
    "Explanation",
    "Finding",
    "Gap",
    "Given",
    "Index",
    "Item",
    "Kind",
    "Known",
    "Memory",
    "Offer",
    "Offered",
    "Pin",
    "ProfileView",
    "Prompt",
    "Remembered",
    "Results",
    "Schemas",
    "Target",
    "Tool",
    "address_of",
    "as_tool_result",
    "client_key",
    "client_name",
    "client_names",
    "compose",
    "differences",
    "explain",
    "faults_in",
    "findings",
    "fitted",
    "function_names",
    "grep_text",
    "index_of",
    "is_identity",
    "merged",
    "named_question",
    "named_questions",
    "page_of",
    "presented",
    "public_names",
    "resources_page",
    "stub",
    "target_of",
]
