"""What pages are rendered with."""

from pathlib import Path

import hub.ui
from hub.ui.assets import Assets
from hub.ui.site import Site


def test_templates_are_read_for_the_first_page_and_not_before():
    site = Site(None, Assets(Path(hub.ui.__file__).parent / "static"))
    assert "_templates" not in vars(site)
    assert site._templates.globals["kit"].head
    assert "_templates" in vars(site)
