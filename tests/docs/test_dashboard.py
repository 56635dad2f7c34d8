"""The dashboard asks for metrics that exist, and leaves none out."""

import json
import re
from pathlib import Path

from tests.support.hubs import ROOT, wait_for

DASHBOARD = Path(ROOT) / "docs" / "observability" / "grafana-dashboard.json"
CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}


def test_the_dashboard_shows_what_the_hub_counts(hub):
    with hub.client() as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200

        def page():
            text = client.get("/metrics").text
            return text if "hub_tokens_total{" in text else None

        text = wait_for(page)
    counted = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    asked = {
        name.removesuffix("_bucket")
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bhub_\w+", target["expr"])
    }
    assert asked <= counted
    assert counted - asked == set()
