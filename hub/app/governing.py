"""Governance, put together: meters in this process or shared, those whom rules ask, alerts, and the policy over them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.app.alerts import Alerts
from hub.app.judges import HubJudges
from hub.core.meters import Meters
from hub.core.rarely import Part, load
from hub.ledger import Queries
from hub.policy import LocalMeters, Policy
from hub.resources import Snapshot
from hub.settings import Settings
from hub.store import AlertLog
from hub.upstream import Endpoint, Mail, Webhooks


@dataclass(frozen=True, slots=True)
class Governance:
    """The policy, and those whom its rules ask."""

    policy: Policy
    judges: HubJudges


@asynccontextmanager
async def governing(
    settings: Settings,
    engine: AsyncEngine,
    transport: Endpoint,
    resolve: Callable[[str], Awaitable[str]],
    snapshots: Callable[[], Snapshot],
) -> AsyncIterator[Governance]:
    """Open what limits, budgets and guardrails work with."""
    async with AsyncExitStack() as stack:
        meters: Meters = LocalMeters()
        if settings.redis_url:
            shared = load(Part.SHARED)
            counted = shared.RedisMeters(
                settings.redis_url.get_secret_value(),
                meters,
                when_down=shared.WhenDown(settings.redis_down),
                replicas=settings.replicas,
            )
            meters = await stack.enter_async_context(counted)
        webhooks = Webhooks(transport, resolve)
        mail = Mail(settings.smtp_url.get_secret_value() if settings.smtp_url else "", settings.smtp_from)
        alerts = await stack.enter_async_context(Alerts(webhooks, mail, AlertLog(engine), lambda: snapshots().budgets))
        judges = HubJudges(webhooks, transport, resolve, snapshots)
        policy = Policy(meters=meters, judges=judges, on_alert=alerts.tell)
        policy.reconfigure(snapshots())
        yield Governance(policy, judges)


async def credit(policy: Policy, queries: Queries) -> None:
    """Tell new budgets what was spent in their period before this process began to count."""
    for gap in policy.gaps():
        policy.credit(gap, await queries.spent(gap.scope, gap.since, gap.until))
