"""Trace export in the Console: a person sends their traces somewhere, sees how that fares, and takes it back."""


def test_a_person_sends_their_traces_and_takes_it_back(world, browse):
    page = browse("dev", "/console", allowed=("422",))
    page.get_by_role("link", name="Trace export").click()
    card = page.locator("[data-owner='me']")
    card.get_by_label("Address").fill("http://127.0.0.1:9/v1/traces")
    card.get_by_label("Credential").select_option("bearer token")
    card.get_by_role("button", name="Send traces there").click()
    card.get_by_text("the secret that the collector asks for is missing").wait_for()
    assert card.get_by_label("Address").input_value() == "http://127.0.0.1:9/v1/traces"  # what was typed is kept
    card.get_by_label("Secret").fill("a-token-for-traces")
    card.get_by_text("More settings").click()
    card.get_by_label("Share of calls").fill("12.5")
    card.get_by_role("button", name="Send traces there").click()
    card.get_by_text("waits for a first call").wait_for()
    assert "a-token-for-traces" not in page.content()
    card.get_by_text("Change it").click()
    card.get_by_text("More settings").click()
    assert card.get_by_label("Share of calls").input_value() == "12.5"
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Remove").click()
    card.get_by_role("button", name="Send traces there").wait_for()
    assert page.locator("[data-owner='platform']").count() == 0  # a developer has no say about the team


def test_an_owner_sends_the_teams(world, browse):
    page = browse("ann", "/console/traces")
    card = page.locator("[data-owner='platform']")
    card.get_by_text("Send the team's traces").click()
    card.get_by_label("Address").fill("https://collector.example.com/v1/traces")
    card.get_by_role("button", name="Send traces there").click()
    card.get_by_text("collector.example.com").first.wait_for()
    with world.signed_in("dev") as client:
        shown = client.get("/console/traces").text
        assert "collector.example.com" in shown
        assert "Change it" not in shown
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Remove").click()
    card.get_by_text("Nothing is sent.").wait_for()
