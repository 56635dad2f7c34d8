"""What pages are rendered with."""

from pathlib import Path

import pytest

import hub.ui
from hub.ui.assets import Assets
from hub.ui.site import Site


@pytest.mark.anyio
async def test_templates_are_read_for_the_first_page_and_not_before():
    site = Site(None, Assets(Path(hub.ui.__file__).parent / "static"))
    assert not {"_templates", "_files"} & (vars(site).keys() | vars(site._assets).keys())
    await site.prepared()
    assert vars(site)["_templates"].globals["kit"].head
    assert site._templates.globals["static"]("app.js").endswith("/app.js")
    assert "_files" in vars(site._assets)
