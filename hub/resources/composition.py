"""Do models and routes hold what they promise? Loops, capabilities, context and regions, checked when they are saved."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from hub.core.principal import Globs
from hub.core.refusal import Fault
from hub.resources.kinds import Specs
from hub.resources.model_catalog import CatalogModel, ModelCatalog
from hub.resources.provider_kinds import KINDS
from hub.resources.rules import WhenSpec
from hub.resources.serving import ModelSpec, ProviderSpec, RouteSpec
from hub.resources.targets import TargetSpec


def check_composition(specs: Specs, catalogue: ModelCatalog) -> list[Fault]:
    """Every fault of how models, routes and providers are put together. The names in them are known to exist."""
    return list(_Composition(specs, catalogue).faults())


class _Composition:
    def __init__(self, specs: Specs, catalogue: ModelCatalog) -> None:
        self._providers = cast("Mapping[str, ProviderSpec]", specs.get("providers", {}))
        self._models = cast("Mapping[str, ModelSpec]", specs.get("models", {}))
        self._routes = cast("Mapping[str, RouteSpec]", specs.get("routes", {}))
        self._catalogue = catalogue

    def faults(self) -> Iterator[Fault]:
        for name in sorted(self._routes):
            loop = self._loop(name, ())
            if loop:
                yield Fault(f"routes.{name}.rules", f"the routes lead in a circle: {' -> '.join(loop)}")
        for name, route in sorted(self._routes.items()):
            yield from self._residency(f"routes.{name}", route)
        for name, model in sorted(self._models.items()):
            yield from self._model(f"models.{name}", model)
        yield from self._aliases()
        yield from self._own_credentials()

    # -- routes ----------------------------------------------------------------------------------------------------

    def _loop(self, name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        """The circle that `name` is on, as a path that begins and ends with it; () when there is none."""
        if name in path:
            return (*path, name) if name == path[0] else ()
        route = self._routes.get(name)
        for rule in route.rules if route else ():
            found = self._loop(rule.route, (*path, name)) if rule.route else ()
            if found:
                return found
        return ()

    def _residency(self, where: str, route: RouteSpec) -> Iterator[Fault]:
        """Each set of targets needs one within the regions; the others are left out of every call."""
        if not route.residency:
            return
        inside = Globs(tuple(route.residency))
        sets: list[tuple[str, Iterable[str]]] = [(f"{where}.targets", [t.model for t in route.targets])]
        sets += [
            (f"{where}.rules.{index}.targets", [t.model for t in rule.targets])
            for index, rule in enumerate(route.rules)
        ]
        if route.shadow:
            sets.append((f"{where}.shadow.target", [route.shadow.target]))
        for place, targets in sets:
            regions = {target: self._region(target) for target in targets}
            if regions and not any(inside.allows(region) for region in regions.values()):
                told = ", ".join(f"{target} ({region or 'no region given'})" for target, region in regions.items())
                yield Fault(place, f"none of these lies within {', '.join(route.residency)}: {told}")

    def _region(self, target: str) -> str:
        provider = self._providers.get(target.partition("/")[0])
        return (provider.region or "") if provider else ""

    # -- models ----------------------------------------------------------------------------------------------------

    def _model(self, where: str, model: ModelSpec) -> Iterator[Fault]:
        if model.route:
            route = self._routes[model.route]
            if not (route.targets or any(not rule_has_conditions(rule.when) for rule in route.rules)):
                yield Fault(
                    f"{where}.route",
                    f"the route '{model.route}' has no targets of its own, so nothing answers when none of its rules holds",
                )
        targets = self._targets_of(model)
        for target in targets:
            known = self._known(target)
            missing = [c for c in model.capabilities if known and not has_capability(known, c)]
            if missing:
                yield Fault(f"{where}.capabilities", f"{target} is not known to have: {', '.join(missing)}")
        windows = [known.context_window if (known := self._known(target)) else None for target in targets]
        known_windows = [window for window in windows if window is not None]
        if model.context_window and windows and len(known_windows) == len(windows):
            largest = max(known_windows)
            if model.context_window > largest:
                yield Fault(f"{where}.context_window", f"no target reads more than {largest} tokens")

    def _targets_of(self, model: ModelSpec) -> list[str]:
        if not model.route:
            return [target.model for target in model.targets]
        route = self._routes[model.route]
        groups: list[list[TargetSpec]] = [route.targets, *(rule.targets for rule in route.rules)]
        return [target.model for group in groups for target in group]

    def _known(self, target: str) -> CatalogModel | None:
        name, _, model = target.partition("/")
        provider = self._providers.get(name)
        prefix = KINDS[provider.kind].catalogue if provider else ""
        return self._catalogue.get(f"{prefix}/{model}") if prefix else None

    def _aliases(self) -> Iterator[Fault]:
        owners: dict[str, str] = {}
        for name, model in sorted(self._models.items()):
            for alias in model.aliases:
                if alias in self._models:
                    yield Fault(f"models.{name}.aliases", f"'{alias}' is a model of its own")
                elif owners.setdefault(alias, name) != name:
                    yield Fault(f"models.{name}.aliases", f"'{alias}' is already another name of '{owners[alias]}'")

    # -- own credentials -------------------------------------------------------------------------------------------

    def _own_credentials(self) -> Iterator[Fault]:
        seen: dict[Any, str] = {}
        for name, provider in sorted(self._providers.items()):
            if provider.owner is None or provider.instead_of is None:
                continue
            stands_for = self._providers.get(provider.instead_of)
            if stands_for is None:
                continue  # told by the check of references
            where = f"providers.{name}.instead_of"
            if stands_for.owner is not None:
                yield Fault(where, f"'{provider.instead_of}' is itself somebody's own credential")
            elif stands_for.kind != provider.kind:
                yield Fault(where, f"'{provider.instead_of}' is of kind {stands_for.kind}, this is {provider.kind}")
            first = seen.setdefault((provider.instead_of, provider.owner.parts), name)
            if first != name:
                yield Fault(where, f"'{first}' is already this owner's credential for '{provider.instead_of}'")


def rule_has_conditions(when: WhenSpec) -> bool:
    """Whether a rule can fail to hold."""
    return when != WhenSpec()


def has_capability(known: CatalogModel, capability: str) -> bool:
    """Whether the catalogue says that a model can do something; pictures are also told by what it reads."""
    return capability in known.capabilities or (capability == "vision" and "image" in known.input_modalities)
