"""The forms of a page, as a browser without scripts would send them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Field:
    """A field of a form: `on` says whether its value is sent as the page comes."""

    name: str
    kind: str
    value: str
    on: bool = True


@dataclass
class Form:
    """A form that is posted: where to ("" is the page itself), and its fields."""

    action: str
    fields: list[Field] = field(default_factory=list)

    def names(self):
        return {one.name for one in self.fields}

    def sent(self, **changes):
        """What is sent when a button is pressed (`do`), with other values in some fields."""
        data = {}
        for one in self.fields:
            if one.on and one.kind != "button":
                data.setdefault(one.name, []).append(one.value)
        return {**data, **{name: [value] for name, value in changes.items()}}


class Forms(HTMLParser):
    """All of them on a page, in order."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self._open = self._typing = self._option = None
        self._select = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        if tag == "form":
            self._open = Form(of.get("action", "")) if of.get("method", "").lower() == "post" else None
            if self._open:
                self.found.append(self._open)
        elif not self._open:
            return
        elif tag == "select" and of.get("name"):
            self._select = [Field(of["name"], "select", "", on=False)]
        elif tag == "option" and self._select:
            self._option = Field(self._select[0].name, "option", of.get("value"), "selected" in of)
            self._select.append(self._option)
        elif of.get("name") and tag in ("input", "textarea", "button"):
            kind = {"textarea": "textarea", "button": "button"}.get(tag, of.get("type", "text"))
            on = "checked" in of if kind in ("checkbox", "radio") else True
            made = Field(of["name"], kind, of.get("value", ""), on)
            self._open.fields.append(made)
            self._typing = made if tag == "textarea" else None

    def handle_data(self, data):
        if self._typing:
            self._typing.value += data
        elif self._option and self._option.value is None:
            self._option.value = data

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None
        elif tag == "textarea" and self._typing:
            self._typing.value = self._typing.value.removeprefix("\n")
            self._typing = None
        elif tag == "option":
            self._option = None
        elif tag == "select" and self._select:
            options = self._select[1:]
            if options and not any(one.on for one in options):
                options[0].on = True
            self._open.fields += options
            self._select = []


def form_with(text, *names, **values):
    """The one form of a page that has these fields, and these values in some."""
    wanted = {*values.items()}
    found = [
        form
        for form in Forms(text).found
        if form.names() >= {*names} and {(one.name, one.value) for one in form.fields} >= wanted
    ]
    assert len(found) == 1, [form.names() for form in found]
    return found[0]
