"""The vault's page: a secret is written, replaced and removed, and its value is nowhere to be read."""

import pytest

from tests.ui.conftest import axe

pytestmark = pytest.mark.slow
FIRST, SECOND = "a-first-value-nobody-sees", "a-second-value-nobody-sees"


def test_a_secret_is_written_replaced_and_removed(world, browse):
    page = browse("admin", "/admin/secrets", allowed=("422",))
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_label("Value").fill(FIRST)
    page.get_by_role("button", name="Store").click()
    page.get_by_text("not a name").wait_for()
    assert page.get_by_label("Name").input_value() == "Not A Name"
    assert FIRST not in page.content()
    page.get_by_label("Name").fill("walked")
    page.get_by_label("Value").fill(FIRST)
    page.get_by_role("button", name="Store").click()
    page.get_by_text("Stored in the vault").wait_for()
    row = page.locator("tr", has_text="vault:walked")
    axe(page)
    world.hub.put("providers", "walked", {"kind": "openai", "api_key": "vault:walked"})
    page.goto(f"{world.url}/admin/secrets")
    row.get_by_role("link", name="providers/walked").wait_for()
    assert row.get_by_role("button", name="Remove walked").count() == 0
    row.get_by_role("link", name="Replace walked").click()
    page.get_by_text("by 1 resource").wait_for()
    assert page.locator("#value:focus").count() == 1
    page.keyboard.type(SECOND)
    page.keyboard.press("Enter")
    page.get_by_text("Stored in the vault").wait_for()
    with world.hub.client() as operator:
        refused = operator.delete("/api/v1/secrets/walked")
        assert refused.status_code == 422
        assert "providers.walked" in refused.text
        assert operator.delete("/api/v1/providers/walked").status_code == 200
    page.goto(f"{world.url}/admin/secrets")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    row.get_by_role("button", name="Remove walked").click()
    page.get_by_text("Forgotten.").wait_for()
    assert row.count() == 0
    assert "gone for good" in asked[0]
    with world.hub.client() as operator:
        told = operator.get("/api/v1/secrets").text + operator.get("/api/v1/audit?limit=20").text
        assert FIRST not in told
        assert SECOND not in told
        assert "secret-removed" in told
        assert operator.delete("/api/v1/secrets/walked").status_code == 404
