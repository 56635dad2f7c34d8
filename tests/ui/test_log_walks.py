"""Looking through a log that is larger than what one page looks at."""

import sqlite3
from contextlib import closing

import pytest

from tests.support.hubs import RESOURCES, running_hub, wait_for
from tests.ui.conftest import HELLO, World, axe, browsing

MANY = 5_100  # a page looks at 5,000
COPIES = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :many) INSERT INTO entry ({}) SELECT {} FROM entry, c WHERE id = :id"


def copy(database, entry, many, **changed):
    """Copies of an entry, each a millisecond older than the one before, with other values in some columns."""
    columns = [row[1] for row in database.execute("PRAGMA table_info(entry)")]
    values = {name: f'"{name}"' for name in columns} | changed
    quoted = ", ".join(f'"{name}"' for name in columns)
    database.execute(COPIES.format(quoted, ", ".join(values[name] for name in columns)), {"id": entry, "many": many})


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A hub with many calls that went well, many of another model that did not, and behind them one of the first that failed."""
    with running_hub(tmp_path_factory.mktemp("large"), RESOURCES) as hub:
        with hub.client() as client:
            client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO})

            def told():
                return client.get("/api/v1/logs").json()["items"]

            wait_for(told)
            entry = told()[0]["id"]
        with closing(sqlite3.connect(hub.data / "hub.db", timeout=60)) as database, database:
            older = "at - n * 1000"
            copy(database, entry, MANY, id="printf('%026d', n)", at=older)
            copy(database, entry, MANY, id="printf('1%025d', n)", at=older, model="'other'", outcome="'error'")
            copy(
                database,
                entry,
                1,
                id="printf('2%025d', n)",
                at=f"at - {MANY + 1} * 1000",
                outcome="'error'",
                request_id="'the-one'",
            )
        yield World(hub, {})


def test_a_page_that_found_nothing_yet_leads_on(large, chromium):
    with browsing(large, chromium) as open_as:
        page = open_as("admin", "/admin/logs?model=demo&outcome=error")
        page.get_by_text("No call matches among those that were looked at").wait_for()
        axe(page)
        page.get_by_role("link", name="Look further").press("Enter")
        page.get_by_role("region", name="Calls").locator("tbody tr").wait_for()
        assert "1 shown of at least 1, filtered" in page.locator(".pager").inner_text()
        assert page.get_by_role("link", name="Look further").count() == 0
        assert "outcome=error" in page.url
