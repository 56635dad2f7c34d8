"""A snapshot and a call in, a plan out; and which models there are to call. Pure: no clock, no network."""

from hub.routing.conditions import Conditions
from hub.routing.explain import explain, plan_record, price_view
from hub.routing.health import Health, ProviderState
from hub.routing.hits import RuleHits
from hub.routing.plan import plan
from hub.routing.plans import Plans
from hub.routing.sift import ENDPOINTS, with_own_credential
from hub.routing.visible import VisibleModel, visible_model, visible_models

__all__ = [
    "ENDPOINTS",
    "Conditions",
    "Health",
    "Plans",
    "ProviderState",
    "RuleHits",
    "VisibleModel",
    "explain",
    "plan",
    "plan_record",
    "price_view",
    "visible_model",
    "visible_models",
    "with_own_credential",
]
