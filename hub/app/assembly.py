"""Settings in, a hub out: stores, stages, paths and doors, opened in order and closed in reverse."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.app.diet import Diet
from hub.app.doors import Doors, dispatch
from hub.app.first_party import FirstParty
from hub.app.first_start import Started, apply_files, ensure_admin, ensure_providers
from hub.app.foresight import Foresight
from hub.app.governing import Governance, credit, governing
from hub.app.listings import Listings
from hub.app.observed import Observed, Serving
from hub.app.profile_desk import ProfileDesk
from hub.app.programs import Programs, open_programs
from hub.app.recording import Place, Recording, open_recording
from hub.app.remembering import Remembering
from hub.app.tally import Tally
from hub.catalogue import Catalogue
from hub.core.background import Background
from hub.core.logs import get_logger, redact
from hub.core.metrics import Metrics
from hub.core.rarely import Part, load
from hub.core.refusal import Refusal
from hub.core.seals import Seals
from hub.core.shelf import Shelf
from hub.dialect import lane
from hub.edge import InFlight, LoopLag
from hub.edge.guards import App
from hub.identity import Identity, Passwords, make_key
from hub.ledger import Queries
from hub.model_path import ModelPath
from hub.profile import Memory, ProfileView, Results
from hub.provider_path import ProviderPath
from hub.resources import Snapshot
from hub.resources.model_catalog import load_catalogue
from hub.routing import Conditions, Health, RuleHits
from hub.settings import Settings
from hub.store import (
    AccountRows,
    Database,
    DataFolder,
    Dismissals,
    PasswordHashes,
    ProfileMemory,
    Resources,
    Secrets,
    ServerSnapshots,
    SignInAttempts,
    SignIns,
    Vault,
)
from hub.store.audit import AuditTrail
from hub.store.journal import Journal
from hub.store.key_secrets import KeyMaker
from hub.tool_modes import ToolModes
from hub.tool_path import ToolPath
from hub.upstream import (
    Accounts,
    Builtin,
    BuiltinTool,
    DemoProvider,
    Echo,
    ModelUpstream,
    OAuthClient,
    Ports,
    ProviderChecks,
    ProviderSecrets,
    Sandbox,
    ServerDefinitions,
    Servers,
    ServerSignIns,
    Transport,
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hub:
    """An open hub: its ASGI application, what is in flight, what the start has to tell, and what it counts."""

    app: App
    in_flight: InFlight
    started: Started
    resources: Resources
    sign_ins: SignIns
    metrics: Metrics
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    """What lies on the disk, opened, and what the first start made of it. `left` are spools that nobody else empties."""

    folder: DataFolder
    left: tuple[Path, ...]
    engine: AsyncEngine
    vault: Vault
    secrets: Secrets
    resources: Resources
    sign_ins: SignIns
    started: Started
    providers: tuple[str, ...]
    replicas: bool


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of so many processes of one machine this is; `crew` is all of them, from their start to their end."""

    number: int = 1
    of: int = 1
    crew: str = ""


async def _open_store(stack: AsyncExitStack, settings: Settings, files: Sequence[Path], worker: Worker) -> _Stored:
    folder = stack.enter_context(DataFolder(settings.data, worker.number))
    left = _taken_over(stack, folder.beyond(worker.of)) if worker.number == 1 else ()
    url = settings.database_url or folder.database_url
    engine = await stack.enter_async_context(Database.open(url))
    audit = AuditTrail(engine)
    vault = Vault(engine, folder.ring_file, audit)
    secrets = Secrets(settings.environment, vault.get)
    resources = Resources(Journal(engine, audit), audit, KeyMaker(make_key, secrets), load_catalogue(folder.catalogue))
    await resources.load()
    started = await ensure_admin(resources, admin_key_given=bool(settings.admin_key))
    providers = await ensure_providers(resources, settings.provider_keys)
    if files:
        await apply_files(resources, list(files))
    replicas = not url.startswith("sqlite")
    seen = await stack.enter_async_context(SignIns(engine))
    return _Stored(folder, left, engine, vault, secrets, resources, seen, started, tuple(providers), replicas)


def _taken_over(stack: AsyncExitStack, folders: Sequence[DataFolder]) -> tuple[Path, ...]:
    """The spools of folders that nobody uses any more; they are held as long as this hub runs."""
    spools: list[Path] = []
    for folder in folders:
        try:
            stack.enter_context(folder)
        except Refusal as refusal:
            log.warning("a worker's folder is left as it is", reason=refusal.message)
        else:
            spools += [folder.spool] if folder.spool.is_dir() else []
    return tuple(spools)


async def _open_servers(
    stack: AsyncExitStack, stored: _Stored, settings: Settings, transport: Transport, queries: Queries
) -> tuple[Servers, ServerSignIns]:
    client, rows = OAuthClient(transport), AccountRows(stored.engine, stored.vault)
    first_party = FirstParty(stored.resources.snapshot, queries, rows.of, lambda: servers)
    tools = {name: BuiltinTool(definition, run) for name, (definition, run) in first_party.tools().items()}
    accounts = Accounts(rows, client)
    ports = Ports(
        transport=transport,
        accounts=accounts,
        resolve=stored.secrets.resolve,
        snapshots=ServerSnapshots(stored.engine),
        folder=stored.folder.path / "processes",
        environment=settings.environment,
        redact=redact,
        builtins={"hub": Builtin(tools, "What this key may use through the hub, and what it has cost.")},
    )
    servers = await stack.enter_async_context(Servers(ports))
    seals = Seals(stored.vault.keys("accounts"))
    told = (servers.signed_in, servers.signed_out)
    return servers, ServerSignIns(client, rows, accounts, seals, stored.secrets.resolve, *told)


async def _open_shelf(stack: AsyncExitStack, settings: Settings, stored: _Stored) -> Shelf | None:
    """What replicas share for a while beside what they count; None for a hub that is alone."""
    if settings.redis_url is None:
        return None
    key = stored.vault.derive("shelf")
    return await stack.enter_async_context(load(Part.SHARED).RedisShelf(settings.redis_url.get_secret_value(), key))


async def _open_health(stack: AsyncExitStack, settings: Settings, stored: _Stored) -> Health:
    """How targets fare; where replicas share a Redis, they tell each other what fails and what is well again."""
    health = Health()
    if settings.redis_url is not None:
        url, key = settings.redis_url.get_secret_value(), stored.vault.derive("health")
        shared = await stack.enter_async_context(load(Part.SHARED).RedisHealth(url, key, health.learn))
        health.share(shared.tell)
    return health


async def _open_profiles(
    stack: AsyncExitStack, stored: _Stored, servers: Servers
) -> tuple[Catalogue[ServerDefinitions, ProfileView], ProfileDesk]:
    """What profiles are made of, which follows what servers offer from now on."""
    memory, resources = Memory(), stored.resources
    remembering = await stack.enter_async_context(Remembering(memory, ProfileMemory(stored.engine)))
    catalogue: Catalogue[ServerDefinitions, ProfileView] = Catalogue(
        servers.definitions, memory.compose, memory.revision, servers.own_definitions
    )
    desk = ProfileDesk(servers, catalogue, memory)
    resources.on_check(desk.check)
    servers.on_definitions(lambda server: catalogue.refresh(resources.snapshot()))
    if stored.replicas:
        background = await stack.enter_async_context(Background())
        background.start(remembering.follow(lambda: catalogue.refresh(resources.snapshot())))
    servers.reconfigure(resources.snapshot())
    return catalogue, desk


@contextlib.asynccontextmanager
async def assembled(settings: Settings, files: Sequence[Path], worker: Worker = Worker()) -> AsyncIterator[Hub]:
    """Open a hub, or one worker of it. `files` are applied at the start.

    Raises Refusal: the folder is taken, the schema is newer, a file is wrong (InvalidSpec).
    """
    async with AsyncExitStack() as stack:
        stored = await _open_store(stack, settings, files, worker)
        resources = stored.resources
        metrics = Metrics()
        transport = await stack.enter_async_context(Transport())
        place = Place(stored.engine, stored.folder, stored.left, stored.vault, stored.secrets, resources.snapshot)
        recording = await open_recording(stack, place, settings, metrics, transport)
        queries = recording.queries
        governance = await stack.enter_async_context(
            governing(settings, stored.engine, transport, stored.secrets.resolve, resources.snapshot)
        )
        policy = governance.policy
        await credit(policy, queries)

        provider_secrets = ProviderSecrets(stored.secrets)
        health = await _open_health(stack, settings, stored)
        local = {"demo": DemoProvider(), "echo": Echo()}
        shelf = await _open_shelf(stack, settings, stored)
        models = ModelUpstream(transport, provider_secrets, lane, local, health, shelf)
        await stack.enter_async_context(models.copies)
        await stack.enter_async_context(models.everywhere)
        servers, server_sign_ins = await _open_servers(stack, stored, settings, transport, queries)
        catalogue, desk = await _open_profiles(stack, stored, servers)

        programs = await open_programs(stored.engine, stored.vault)
        await server_sign_ins.keep_only(resources.snapshot().users.keys())
        background = await stack.enter_async_context(Background())

        def changed(old: Snapshot, new: Snapshot) -> None:
            policy.reconfigure(new)
            provider_secrets.forget()
            servers.reconfigure(new)
            catalogue.refresh(new)
            background.start(credit(policy, queries))
            if old.users.keys() - new.users.keys():
                background.start(server_sign_ins.keep_only(new.users.keys()))

        resources.on_change(changed)
        if stored.replicas:
            background.start(resources.follow())
            background.start(programs.follow())
        lag = await stack.enter_async_context(LoopLag())
        metrics.gauge("hub_loop_lag_seconds", "Worst delay of the event loop in the last minute.", lag.worst, max)
        shown = _Shown(servers, server_sign_ins, catalogue, desk)
        stages = _Stages(transport, governance, models, shown, provider_secrets, health, programs)
        told = await _told(stack, stored.folder, metrics, worker)
        doors = _doors(stored, settings, told, metrics, recording, stages)
        yield Hub(
            dispatch(doors), doors.in_flight, stored.started, resources, doors.sign_ins, metrics, stored.providers
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """Servers, and what is shown of them in profiles."""

    servers: Servers
    sign_ins: ServerSignIns
    catalogue: Catalogue[ServerDefinitions, ProfileView]
    desk: ProfileDesk


@dataclass(frozen=True, slots=True)
class _Stages:
    """What the paths lead through, beside the store and the ledger."""

    transport: Transport
    governance: Governance
    models: ModelUpstream
    tools: _Shown
    secrets: ProviderSecrets
    health: Health
    programs: Programs


def _provider_path(
    identity: Identity, recording: Recording, stages: _Stages, snapshots: Callable[[], Snapshot]
) -> ProviderPath:
    return ProviderPath(
        identity=identity,
        policy=stages.governance.policy,
        ledger=recording.ledger,
        transport=stages.transport,
        secrets=stages.secrets,
        snapshots=snapshots,
    )


def _tool_path(
    identity: Identity, recording: Recording, stages: _Stages, snapshots: Callable[[], Snapshot]
) -> ToolPath:
    return ToolPath(
        identity=identity,
        policy=stages.governance.policy,
        ledger=recording.ledger,
        catalogue=stages.tools.catalogue,
        servers=stages.tools.servers,
        snapshots=snapshots,
        modes=ToolModes(Sandbox(), Results()),
    )


def _observed(stored: _Stored, recording: Recording, stages: _Stages, hits: RuleHits) -> Observed:
    policy, tools = stages.governance.policy, stages.tools
    serving = Serving(stages.health, hits)
    return Observed(stored.resources, recording, policy, tools.servers, stored.secrets, tools.desk, serving)


async def _told(
    stack: AsyncExitStack, folder: DataFolder, metrics: Metrics, worker: Worker
) -> Callable[[], Awaitable[str]]:
    """What is counted, as text: of all workers together, or of a hub that is alone."""
    if worker.crew:
        tally = await stack.enter_async_context(Tally(metrics, folder.counted, worker.crew, worker.number))
        return tally.render

    async def render() -> str:
        return metrics.render()

    return render


def _doors(
    stored: _Stored,
    settings: Settings,
    told: Callable[[], Awaitable[str]],
    metrics: Metrics,
    recording: Recording,
    stages: _Stages,
) -> Doors:
    identity = Identity(tokens=stages.programs.tokens)
    in_flight = InFlight()
    metrics.gauge("hub_in_flight", "Requests being answered now.", lambda: len(in_flight))
    policy, judges = stages.governance.policy, stages.governance.judges
    snapshots, hits = stored.resources.snapshot, RuleHits()
    conditions = Conditions(stages.health, budget_used=policy.budget_used)
    path = ModelPath(
        identity=identity,
        policy=policy,
        ledger=recording.ledger,
        upstream=stages.models,
        snapshots=snapshots,
        conditions=conditions,
        hits=hits,
    )
    judges.carry = path.carry
    hashes = PasswordHashes(stored.engine)
    return Doors(
        settings=settings,
        resources=stored.resources,
        vault=stored.vault,
        identity=identity,
        sign_ins=stored.sign_ins,
        dismissals=Dismissals(stored.engine),
        server_sign_ins=stages.tools.sign_ins,
        programs=stages.programs,
        hashes=hashes,
        passwords=Passwords(hashes.find, SignInAttempts(stored.engine)),
        judges=judges,
        recording=recording,
        diet=Diet(stored.resources, recording.queries, recording.sessions, stages.tools.catalogue),
        observed=_observed(stored, recording, stages, hits),
        profiles=stages.tools.desk,
        listings=Listings(stored.resources, stages.tools.catalogue),
        metrics=told,
        in_flight=in_flight,
        model_path=path,
        tool_path=_tool_path(identity, recording, stages, snapshots),
        provider_path=_provider_path(identity, recording, stages, snapshots),
        provider_checks=ProviderChecks(stages.transport, stages.secrets),
        transport=stages.transport,
        forget_secrets=stages.secrets.forget,
        health=stages.health,
        foresight=Foresight(policy, conditions),
        hits=hits,
    )
