"""Resources over HTTP: list, get, put, delete, history, restore, apply, export."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from hub.core.refusal import Fault, InvalidSpec, Malformed
from hub.edge.routes import Answer, Ask, Endpoint, Query, Route, limit_of, listed
from hub.edge.visibility import Visibility
from hub.identity import READ, WRITE, Permission
from hub.resources import KINDS, cautions
from hub.resources.uses import uses
from hub.store import Change, Resource, Resources, Version
from hub.store.diffs import difference
from hub.store.records import by_file, managed

Statuses = Callable[[str, Sequence[Resource]], Awaitable[list[dict[str, Any]]]]
_SEEN = Query("version", "the version that you have seen, as `If-Match`: 409 when it has changed since")
_VIEW = Query(
    "view", "`names`: only kind and name of each; `specs`: all but what is observed of it", ("names", "specs")
)


# What of a kind is one's own, or one's team's.
_OWN = {"keys": Permission.KEYS_OWN, "profiles": Permission.CATALOGUE_OWN, "routes": Permission.ROUTES_OWN}


# What stands around a spec: all that an answer has, so that it can be sent back.
_ENVELOPE = (
    "kind", "name", "version", "managed_by", "file", "updated_at", "updated_by", "spec", "status", "secret",
)  # fmt: skip


def mapping_of(body: Any, *known: str) -> dict[str, Any]:
    """The request body as a JSON object with no other fields than the `known`, where there are any. Raises Malformed.

    What a caller misspelt would change nothing else, and they would take the answer for what they asked.
    """
    if not isinstance(body, dict):
        raise Malformed("malformed", "The body is a JSON object.")
    unknown = sorted(set(body).difference(known)) if known else []
    if unknown:
        raise Malformed("unsupported_field", f"There is no field '{unknown[0][:64]}' here. Known: {', '.join(known)}.")
    return body


def _expected(ask: Ask, body: Mapping[str, Any], field: str = "version") -> int | None:
    """The version that the writer has seen: `If-Match`, or a field of the body."""
    match = ask.request.headers.get("if-match", "")
    if match and match != "*":
        found = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', match)
        if not found:
            raise Malformed("malformed", 'If-Match holds the version that you have seen, for example "3".')
        return int(found.group(1))
    return seen_version(body, field)


def seen_version(body: Mapping[str, Any], field: str = "version") -> int | None:
    """The version of a resource that a body says was seen; None where it says nothing. Raises Malformed."""
    version = body.get(field)
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise Malformed("malformed", f"{field} is the whole number of the version that you have seen.")
    return version


def _spec_of(body: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The spec in a body: the envelope's `spec`, or the body itself when it is a bare spec."""
    spec = mapping_of(body, *_ENVELOPE)["spec"] if "spec" in body else body
    if not isinstance(spec, dict):
        raise InvalidSpec([Fault(where, "spec is a mapping of fields")])
    return spec


def version_view(version: Version) -> dict[str, Any]:
    """One version of a resource as JSON."""
    return {
        "version": version.version,
        "at": version.at.isoformat(),
        "by": version.by,
        **managed(version.managed_by),
        "spec": version.spec,
        "deleted": version.spec is None,
    }


def change_view(change: Change) -> dict[str, Any]:
    """One change of an apply as JSON. A made key's secret is shown here and never again."""
    view: dict[str, Any] = {
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "version": change.version,
        "diff": change.diff,
    }
    if change.note:
        view["note"] = change.note
    if change.secret:
        view["secret"] = change.secret
    return view


def _written(resource: Resource) -> dict[str, Any]:
    """All that is written of a resource, in the contract's shape."""
    return {
        "kind": resource.kind,
        "name": resource.name,
        "version": resource.version,
        **managed(resource.managed_by),
        "updated_at": resource.updated_at.isoformat(),
        "updated_by": resource.updated_by,
        "spec": resource.spec,
    }


class ResourcesApi:
    """The routes of every kind. `statuses` tells what is observed of resources of one kind."""

    def __init__(self, resources: Resources, statuses: Statuses) -> None:
        self._resources = resources
        self._statuses = statuses

    async def status(self, kind: str, resource: Resource) -> dict[str, Any]:
        """What is observed of one resource."""
        return (await self._statuses(kind, (resource,)))[0]

    async def view(self, resource: Resource) -> dict[str, Any]:
        """One resource in the contract's shape."""
        return (await self._views(resource.kind, (resource,)))[0]

    async def _views(self, kind: str, resources: Sequence[Resource]) -> list[dict[str, Any]]:
        observed = await self._statuses(kind, resources)
        return [{**_written(one), "status": status} for one, status in zip(resources, observed, strict=True)]

    def _list(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            visibility = Visibility(ask.snapshot, ask.principal)
            visibility.allow_listing(kind)
            limit = limit_of(ask)
            found: list[Resource] = []
            cursor: str | None = ask.query("cursor") or None
            while True:
                page, cursor = await self._resources.page(kind, limit=limit - len(found), cursor=cursor)
                found += [resource for resource in page if visibility.sees(kind, resource.name, resource.spec)]
                if len(found) >= limit or cursor is None:
                    break
            if ask.query("view") == "names":  # for those who only choose: nothing is observed for it
                return Answer({"items": [{"kind": kind, "name": one.name} for one in found], "next": cursor})
            if ask.query("view") == "specs":
                return Answer({"items": [_written(one) for one in found], "next": cursor})
            return Answer({"items": await self._views(kind, found), "next": cursor})

        return endpoint

    def _get(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            resource = await self._resources.find(kind, ask.path("name"))
            visibility = Visibility(ask.snapshot, ask.principal)
            visibility.check_read(kind, ask.path("name"), resource.spec if resource else None)
            assert resource is not None
            return Answer(await self.view(resource), headers=(("etag", f'"{resource.version}"'),))

        return endpoint

    def _put(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            body = mapping_of(ask.body)
            return await self._write(ask, kind, ask.path("name"), body, _expected(ask, body))

        return endpoint

    def _create(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            body = dict(mapping_of(ask.body))
            name = body.pop("name", None)
            if not isinstance(name, str):
                raise InvalidSpec([Fault(f"{kind}.name", "a name is needed")])
            return await self._write(ask, kind, name, body, 0)

        return endpoint

    async def _write(self, ask: Ask, kind: str, name: str, body: Mapping[str, Any], expected: int | None) -> Answer:
        spec = _spec_of(body, f"{kind}.{name}")
        old = await self._resources.find(kind, name)
        Visibility(ask.snapshot, ask.principal).check_write(kind, name, spec, old.spec if old else None)
        written = await self._resources.put(kind, name, spec, ask.actor, expected_version=expected)
        view = await self.view(written.resource)
        if written.secret:
            view["secret"] = written.secret
        return Answer(view, 201 if written.created else 200, (("etag", f'"{written.resource.version}"'),))

    def _delete(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            name = ask.path("name")
            old = await self._resources.find(kind, name)
            visibility = Visibility(ask.snapshot, ask.principal)
            visibility.check_write(kind, name, None, old.spec if old else None)
            visibility.check_read(kind, name, old.spec if old else None)
            seen = ask.query("version")
            expected = _expected(ask, {"version": int(seen) if seen.isdecimal() and len(seen) < 10 else seen or None})
            await self._resources.delete(kind, name, ask.actor, expected_version=expected)
            return Answer({"kind": kind, "name": name, "deleted": True})

        return endpoint

    def _history(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            name = ask.path("name")
            versions = await self._resources.history(kind, name)
            shown = next((v.spec for v in versions if v.spec is not None), None)
            Visibility(ask.snapshot, ask.principal).check_read(kind, name, shown)
            before = [*(version.spec or {} for version in versions[1:]), {}]
            items = [
                {**version_view(version), "diff": difference(old, version.spec or {})}
                for version, old in zip(versions, before, strict=True)
            ]
            return listed(ask, items)

        return endpoint

    def _uses(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            name = ask.path("name")
            resource = await self._resources.find(kind, name)
            visibility = Visibility(ask.snapshot, ask.principal)
            visibility.check_read(kind, name, resource.spec if resource else None)
            specs = await self._resources.export()
            items = [
                {"kind": other, "name": own, "how": how}
                for other, own, how in uses(specs, kind, name)
                if visibility.sees(other, own, specs[other][own])
            ]
            return listed(ask, items)

        return endpoint

    def _restore(self, kind: str) -> Callable[[Ask], Awaitable[Answer]]:
        async def endpoint(ask: Ask) -> Answer:
            name, body = ask.path("name"), mapping_of(ask.body, "version", "seen")
            version = body.get("version")
            if not isinstance(version, int) or isinstance(version, bool):
                raise Malformed("malformed", 'Say which version: {"version": 3}.')
            versions = await self._resources.history(kind, name)
            spec = next((v.spec for v in versions if v.version == version), None)
            now = await self._resources.find(kind, name)
            Visibility(ask.snapshot, ask.principal).check_write(kind, name, spec, now.spec if now else None)
            expected = _expected(ask, body, "seen")
            written = await self._resources.restore(kind, name, version, ask.actor, expected_version=expected)
            return Answer(await self.view(written.resource))

        return endpoint

    async def _rotate(self, ask: Ask) -> Answer:
        name, spec = await self._own_key(ask)
        Visibility(ask.snapshot, ask.principal).check_issue(name, spec)
        overlap = mapping_of(ask.body or {}, "overlap_seconds").get("overlap_seconds", 0)
        if not isinstance(overlap, int) or isinstance(overlap, bool) or not 0 <= overlap <= 30 * 86_400:
            raise Malformed("malformed", "overlap_seconds is a whole number from 0 to 2592000 (30 days).")
        secret = await self._resources.rotate_key(name, ask.actor, overlap_seconds=overlap)
        return Answer({"kind": "keys", "name": name, "secret": secret, "overlap_seconds": overlap})

    async def _revoke(self, ask: Ask) -> Answer:
        name, _ = await self._own_key(ask)
        await self._resources.revoke_key(name, ask.actor)
        return Answer({"kind": "keys", "name": name, "revoked": True})

    async def _own_key(self, ask: Ask) -> tuple[str, dict[str, Any]]:
        name = ask.path("name")
        old = await self._resources.find("keys", name)
        visibility = Visibility(ask.snapshot, ask.principal)
        visibility.check_read("keys", name, old.spec if old else None)
        assert old is not None
        visibility.check_write("keys", name, None, old.spec)
        return name, old.spec

    async def _apply(self, ask: Ask) -> Answer:
        body = mapping_of(ask.body, "resources", "source", "prune", "dry_run")
        resources = _whole(body.get("resources"))
        source, prune, dry_run = body.get("source"), body.get("prune", False), body.get("dry_run", False)
        if (
            not (source is None or isinstance(source, str))
            or not isinstance(prune, bool)
            or not isinstance(dry_run, bool)
        ):
            raise Malformed("malformed", "source is a text, prune and dry_run are true or false.")
        act = self._resources.diff if dry_run else self._resources.apply
        manager = by_file(source) if source else None
        changes = await act(resources, ask.actor, source=manager, prune=prune)
        views = [change_view(change) for change in changes]
        if not dry_run:
            for view in views:
                odd = cautions(self._resources.snapshot(), view["kind"], view["name"])
                view |= {"warnings": odd} if odd else {}
        return Answer({"dry_run": dry_run, "changes": views})

    async def _export(self, ask: Ask) -> Answer:
        return Answer(await self._resources.export())

    def routes(self) -> Iterator[Route]:
        """Every route of every kind, then those about all of them."""
        for kind in KINDS:
            yield from self._routes_of(kind)
        yield Route(
            "POST", "/api/v1/apply", Permission.PLATFORM_WRITE, "Apply many resources: all or none", self._apply, "all",
            body="Apply", reply="Changes",
        )  # fmt: skip
        yield Route(
            "GET",
            "/api/v1/export",
            Permission.PLATFORM_READ,
            "Every resource, as `apply` takes them",
            self._export,
            "all",
        )

    def _routes_of(self, kind: str) -> Iterator[Route]:
        one, spec = kind.rstrip("s"), KINDS[kind].__name__
        base, named = f"/api/v1/{kind}", f"/api/v1/{kind}/{{name:path}}"
        read, write = READ[kind], WRITE[kind]
        own = _OWN.get(kind)

        def route(method: str, path: str, summary: str, endpoint: Endpoint, body: str = "", reply: str = "") -> Route:
            permission = read if method == "GET" else write
            query = (_VIEW,) if reply == "Page" else (_SEEN,) if method == "DELETE" else ()
            return Route(method, path, permission, summary, endpoint, kind, own, body, reply, query)

        # Names of models may hold slashes, so what follows a name is matched before the name alone.
        if kind == "keys":
            yield route(
                "POST",
                f"{named}/rotate",
                "Make a new secret; the old one works on for a while",
                self._rotate,
                "Rotation",
                "Rotated",
            )
            yield route("POST", f"{named}/revoke", "End all secrets of a key at once", self._revoke)
        yield route(
            "GET", f"{named}/uses", f"What names a {one}, and who it is granted to", self._uses(kind), "", "History"
        )
        yield route("GET", f"{named}/history", f"All versions of a {one}", self._history(kind), "", "History")
        yield route(
            "POST",
            f"{named}/restore",
            f"Make an old version of a {one} current",
            self._restore(kind),
            "Restore",
            "Resource",
        )
        yield route("GET", base, f"List {kind}", self._list(kind), "", "Page")
        yield route("POST", base, f"Create a {one}", self._create(kind), spec, "Resource")
        yield route("GET", named, f"One {one}", self._get(kind), "", "Resource")
        yield route("PUT", named, f"Create or change a {one}", self._put(kind), spec, "Resource")
        yield route("DELETE", named, f"Delete a {one}", self._delete(kind))


def _whole(value: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """The `resources` of an apply: kinds to names to specs."""
    faults: list[Fault] = []
    if not isinstance(value, dict):
        raise InvalidSpec([Fault("resources", "a mapping from kinds to names to specs is needed")])
    for kind, named in value.items():
        if kind not in KINDS:
            faults.append(Fault(kind, f"there is no kind '{kind}'; kinds: {', '.join(KINDS)}"))
        elif not isinstance(named, dict):
            faults.append(Fault(kind, "a mapping from names to specs is needed"))
        else:
            faults += [
                Fault(f"{kind}.{n}", "a mapping of fields is needed")
                for n, s in named.items()
                if not isinstance(s, dict)
            ]
    if faults:
        raise InvalidSpec(faults)
    return value
