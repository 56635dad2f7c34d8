"""Which models a principal may call, with what is known about each: the list that clients choose from."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.core.calls import Dialect
from hub.core.principal import Globs, Principal
from hub.resources.model_catalog import CatalogModel, Price
from hub.resources.snapshot import Provider, Snapshot, VirtualModel

_WILD = frozenset("*?[!")
# In which dialect a model is called that does not converse. Gemini's draw and speak in their own.
_CALLED_IN = {
    "completion": Dialect.OPENAI_COMPLETIONS,
    "embedding": Dialect.OPENAI_EMBEDDINGS,
    "image_generation": Dialect.OPENAI_IMAGES,
    "audio_speech": Dialect.OPENAI_SPEECH,
    "audio_transcription": Dialect.OPENAI_TRANSCRIPTIONS,
    "moderation": Dialect.OPENAI_MODERATIONS,
    "rerank": Dialect.RERANK,
}
_IN_GEMINIS = ("image_generation", "audio_speech")


@dataclass(frozen=True, slots=True)
class VisibleModel:
    """One model that may be called. None and () mean that it is not known.

    `targets` are what may answer, `provider/model`; `dialects` those that at least one of them speaks. `kind` is `chat`
    for a model that converses, else `embedding`, `image_generation` and so on.
    """

    id: str
    title: str
    targets: tuple[str, ...]
    dialects: tuple[Dialect, ...]
    virtual: bool
    kind: str = "chat"
    description: str = ""
    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    deprecated: str = ""

    @property
    def converses(self) -> bool:
        """Whether it answers messages."""
        return self.kind == "chat"

    @property
    def generates(self) -> bool:
        """Whether it can be asked to generate content, in Gemini's words."""
        return self.converses or (self.kind in _IN_GEMINIS and Dialect.GEMINI in self.dialects)

    @property
    def owner(self) -> str:
        """The provider of the first target."""
        return self.targets[0].partition("/")[0] if self.targets else ""


def visible_models(snapshot: Snapshot, principal: Principal) -> list[VisibleModel]:
    """Every model that `principal` may call: the virtual models by name, then those of each provider."""
    named = [
        _virtual(snapshot, model) for name, model in sorted(snapshot.models.items()) if principal.may_use_model(name)
    ]
    real = (_real(snapshot, provider) for provider in snapshot.providers.values())
    return named + [model for models in real for model in models if principal.may_use_model(model.id)]


def visible_model(snapshot: Snapshot, principal: Principal, name: str) -> VisibleModel | None:
    """The model of that name, if `principal` may call it. A model that no catalogue knows is visible by its name."""
    name = snapshot.canonical(name)
    found = snapshot.resolve(name)
    if found is None or not principal.may_use_model(name):
        return None
    return _virtual(snapshot, found) if name in snapshot.models else _described(snapshot, found)


def _virtual(snapshot: Snapshot, model: VirtualModel) -> VisibleModel:
    """A virtual model promises what all of its targets hold: the smallest window, the common capabilities."""
    targets = tuple(target.deployment.target for target in model.targets)
    known = [found for target in targets if (found := snapshot.catalogue_model(target)) is not None]
    whole = known if len(known) == len(targets) else []
    return VisibleModel(
        id=model.name,
        title=model.title or model.name,
        description=model.description,
        targets=targets,
        dialects=_dialects(model),
        virtual=True,
        kind=known[0].kind if known else "chat",
        price=snapshot.price(model.name, targets[0]) if targets else None,
        context_window=model.context_window or _least(found.context_window for found in known),
        max_output_tokens=model.max_output_tokens or _least(found.max_output_tokens for found in known),
        capabilities=model.capabilities or _common([found.capabilities for found in whole]),
        input_modalities=_common([found.input_modalities for found in whole]) or ("text",),
        output_modalities=_common([found.output_modalities for found in whole]) or ("text",),
    )


def _real(snapshot: Snapshot, provider: Provider) -> Iterator[VisibleModel]:
    """The models of a provider: those of the catalogue that it allows, and those that it names outright."""
    allowed = Globs(tuple(provider.spec.models))
    known = (model.id.partition("/")[2] for model in _catalogued(snapshot, provider) if _is_served(provider, model))
    outright = (name for name in provider.spec.models if not _WILD.intersection(name))
    for name in dict.fromkeys((*known, *outright)):
        found = snapshot.resolve(f"{provider.name}/{name}") if allowed.allows(name) else None
        if found is not None:
            yield _described(snapshot, found)


def _is_served(provider: Provider, model: CatalogModel) -> bool:
    """Whether the provider has an endpoint at which such a model is called."""
    if model.kind == "chat":
        return True
    paths = provider.row.paths_of(model.id.partition("/")[2])
    return _CALLED_IN.get(model.kind) in paths or (model.kind in _IN_GEMINIS and Dialect.GEMINI in paths)


def _catalogued(snapshot: Snapshot, provider: Provider) -> tuple[CatalogModel, ...]:
    return snapshot.catalogue.for_provider(provider.catalogue_prefix) if provider.catalogue_prefix else ()


def _described(snapshot: Snapshot, model: VirtualModel) -> VisibleModel:
    known = snapshot.catalogue_model(model.name) or CatalogModel(model.name)
    return VisibleModel(
        id=model.name,
        title=known.name or model.name,
        targets=(model.name,),
        dialects=_dialects(model),
        virtual=False,
        kind=known.kind,
        price=known.price,
        context_window=known.context_window,
        max_output_tokens=known.max_output_tokens,
        capabilities=known.capabilities,
        input_modalities=known.input_modalities,
        output_modalities=known.output_modalities,
        deprecated=known.deprecated,
    )


def _dialects(model: VirtualModel) -> tuple[Dialect, ...]:
    return tuple(dialect for dialect in Dialect if any(dialect in target.deployment.paths for target in model.targets))


def _least(numbers: Iterator[int | None]) -> int | None:
    return min((number for number in numbers if number is not None), default=None)


def _common(sets: list[tuple[str, ...]]) -> tuple[str, ...]:
    if not sets:
        return ()
    return tuple(item for item in sets[0] if all(item in other for other in sets[1:]))
