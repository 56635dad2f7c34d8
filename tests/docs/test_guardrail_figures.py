"""What the documentation publishes of the guardrails' recall and false positives is what the command makes of the corpus."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.guardrail_corpus import SAMPLES, write
from tests.support.hubs import RESOURCES, running_hub

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "guardrails.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \S+\.jsonl \| `\S+` \| \d+ % of \d+ \| \d+ % of \d+ \|$", PAGE, re.MULTILINE)
RULES = yaml.safe_load((SAMPLES / "guardrails.yaml").read_text(encoding="utf-8"))["guardrails"]
OLD = (
    "injection", "injection_unseen", "tool_results_more", "tool_results_more_held_out", "plain_words", "plain_words_held_out",
)  # fmt: skip
# Of what was held out: the least recall, and the most that may be found wrongly, in percent.
FLOORS = [("injection-high", 60, 9), ("injection-medium", 54, 2), ("injection-low", 38, 1)]
KINDS = {"personal-data": "personal-data", "keys": "secrets"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return {path.stem: path for path in write(tmp_path_factory.mktemp("corpus"))}


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    with running_hub(
        tmp_path_factory.mktemp("hub"), {**RESOURCES, "servers": {}, "profiles": {}, "guardrails": RULES}
    ) as hub:
        yield hub


@pytest.mark.parametrize("rule", RULES)
def test_the_table_is_what_the_command_makes(judging, corpus, rule):
    kind = KINDS.get(rule, "orders")
    files = [corpus[f"{kind}-tuning"], corpus[f"{kind}-held-out"]]
    if kind == "orders":
        files += [corpus["tool-results-tuning"], corpus["tool-results-held-out"]]
        files += [SAMPLES / f"{name}.jsonl" for name in OLD]
    if kind == "personal-data":
        files.append(SAMPLES / "pii.jsonl")
    made = judging.cli("guardrail", "test", rule, *map(str, files), "--rows").stdout
    published = [row for row in ROWS if f"`{rule}`" in row]
    assert made.splitlines() == published


def test_the_table_names_every_rule():
    assert {row.split("`")[1] for row in ROWS} == set(RULES)


def shares(half, rule):
    """Recall and false positives of a rule over one half of the texts about orders, in percent."""
    rows = [re.findall(r"(\d+) % of (\d+)", row) for row in ROWS if f"-{half}.jsonl" in row and f"`{rule}`" in row]
    counted = [[(int(share), int(count)) for share, count in row] for row in rows]
    return [sum(s * c for s, c in column) / sum(c for _, c in column) for column in zip(*counted, strict=True)]


@pytest.mark.parametrize(("rule", "recall", "false"), FLOORS)
def test_what_was_not_looked_at_comes_out_well_enough(rule, recall, false):
    found, wrongly = shares("held-out", rule)
    assert found >= recall
    assert wrongly <= false


def test_the_corpus_is_as_large_as_it_says(corpus):
    rows = {name: path.read_text(encoding="utf-8").splitlines() for name, path in corpus.items()}
    for kind, least in ("orders", 300), ("tool-results", 200), ("personal-data", 100), ("secrets", 100):
        both = [row for half in ("tuning", "held-out") for row in rows[f"{kind}-{half}"]]
        for found in "true", "false":
            assert sum(f'"found": {found}' in row for row in both) >= least
        assert not set(rows[f"{kind}-tuning"]) & set(rows[f"{kind}-held-out"]), kind


def test_no_secret_stands_in_a_file():
    """They are made when a test runs; what is stored has no run of characters like one."""
    for path in [*SAMPLES.rglob("*.*"), Path(write.__code__.co_filename).with_name("made_secrets.py")]:
        assert not re.search(r"\b(?=\w*\d)(?=\w*[A-Z])(?=\w*[a-z])\w{24,}\b", path.read_text(encoding="utf-8")), path
