"""Building a model's tiers and weights, and seeing where a call would go before it is saved."""


def test_tiers_are_built_and_explained_before_they_are_saved(world, browse):
    page = browse("admin", "/admin/new/models", allowed=("422",))
    page.get_by_label("Name").fill("tiered")
    for number, (target, priority, weight) in enumerate(
        (("demo/a", "0", "3"), ("demo/b", "0", "1"), ("demo/c", "1", "1"))
    ):
        page.locator("button[value='add:spec.targets']").click()
        page.locator(f"[name='spec.targets.{number}.model']").fill(target)
        page.locator(f"[name='spec.targets.{number}.priority']").fill(priority)
        page.locator(f"[name='spec.targets.{number}.weight']").fill(weight)
    page.get_by_role("button", name="Explain").click()
    tiers = page.locator("#imagined .tiers > li")
    tiers.nth(1).wait_for()
    assert "75 %" in tiers.nth(0).inner_text()
    assert "demo/c" in tiers.nth(1).inner_text()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/models/tiered").status_code == 404
        page.locator("[name='spec.targets.0.model']").fill("nowhere/a")
        page.get_by_role("button", name="Explain").click()
        page.get_by_text("there is no provider 'nowhere'").first.wait_for()
        page.locator("[name='spec.targets.0.model']").fill("demo/a")
        page.get_by_role("button", name="Create").click()
        page.get_by_text("Created. It is in force").wait_for()
        assert operator.get("/api/v1/models/tiered").json()["spec"]["targets"][0]["weight"] == 3
        operator.delete("/api/v1/models/tiered")
