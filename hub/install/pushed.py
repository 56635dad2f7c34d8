"""What a client that signs in at the hub is pushed: the variables that its own file for models would hold, without a key."""

from collections.abc import Iterable, Mapping
from typing import Any

from hub.install.clients import client
from hub.install.facts import Facts, model_of, render
from hub.install.paths import ABSENT


def variables(name: str, hub_url: str, listed: Iterable[Mapping[str, Any]], wanted: str = "") -> dict[str, str]:
    """The variables of a client by their names. `listed` are models as `/v1/models` lists them, `wanted` the main one.

    Raises NotFound for a client that does not exist.
    """
    facts = Facts(name, "", hub_url, needs_key=False, models=tuple(map(model_of, listed)), wanted=wanted)
    file = client(name).file("models", "user")
    edits = [edit for edit in file.edits if edit.at[0] == "env" and edit.value] if file else []
    made = {str(edit.at[-1]): render(edit.value, facts) for edit in edits}
    return {variable: value for variable, value in made.items() if value is not ABSENT}
