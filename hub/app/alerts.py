"""Alerts of budgets, posted to webhooks beside the calls that cause them."""

import asyncio
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import orjson

from hub.core.logs import get_logger
from hub.policy import Alert, BudgetRule
from hub.upstream.webhooks import Delivery, Webhooks

log = get_logger(__name__)
_MOST_WAITING = 1000


def _iso(seconds: float | None) -> str | None:
    return None if not seconds else datetime.fromtimestamp(seconds, UTC).isoformat()


def payload(alert: Alert, rule: BudgetRule) -> dict[str, Any]:
    """What is posted."""
    kind, name = rule.spec.scope.parts
    return {
        "id": alert.id,
        "event": "budget.alert",
        "budget": alert.budget,
        "scope": {kind: name or True},
        "percent": alert.level,
        "limit_usd": f"{alert.limit / 1e6:.6f}",
        "spent_usd": f"{alert.spent / 1e6:.6f}",
        "mode": rule.spec.mode,
        "period": rule.spec.period,
        "starts_at": _iso(alert.starts_at),
        "resets_at": _iso(alert.resets_at),
    }


class Alerts:
    """Takes alerts without waiting, and delivers each until it is taken. An async context manager."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, alert: Alert, rule: BudgetRule) -> None:
        """Log an alert, and begin to deliver it where the budget says."""
        log.warning("a budget reached a threshold", budget=alert.budget, percent=alert.level)
        notify = rule.spec.notify
        if notify is None or len(self._tasks) >= _MOST_WAITING:
            return
        body = orjson.dumps(payload(alert, rule))
        delivery = Delivery(notify.url, notify.secret, "budget.alert", alert.id, body, private=notify.allow_private)
        task = asyncio.ensure_future(self._deliver(delivery, alert))  # noqa: TID251 - kept here, ended in __aexit__
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, alert: Alert) -> None:
        try:
            taken = await self._webhooks.insist(delivery)
        except Exception as error:  # noqa: BLE001 - whatever it is, an alert may not take the hub down
            log.warning("an alert cannot be delivered", budget=alert.budget, error=str(error)[:200])
            return
        if not taken:
            log.warning("an alert was not taken", budget=alert.budget, url=delivery.url.partition("?")[0])

    async def __aenter__(self) -> Self:
        """Nothing is opened."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is not delivered now is not delivered."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
