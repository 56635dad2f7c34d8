"""What must outlive the process: resources and their versions, the audit trail, secrets, sign-ins, the ledger's table."""

from hub.store.accounts import AccountRows
from hub.store.alerts import AlertLog, Waiting
from hub.store.audit_feed import AuditFeed
from hub.store.database import Database, SchemaTooNew
from hub.store.dismissals import Dismissals
from hub.store.folder import DataFolder
from hub.store.oauth import Approved, Grant, OAuthStore, Poll, Wanted
from hub.store.passwords import PasswordHashes
from hub.store.profile_memory import MemoryRows, ProfileMemory
from hub.store.records import ACTIONS, Action, Actor, AuditReport, AuditRow, Change, Resource, Version, Written
from hub.store.resources import Resources
from hub.store.secrets import Secrets
from hub.store.server_snapshots import ServerSnapshots
from hub.store.sign_in_attempts import SignInAttempts
from hub.store.sign_ins import Browser, SignIn, SignIns
from hub.store.vault import Vault

__all__ = [
    "ACTIONS",
    "AccountRows",
    "Action",
    "Actor",
    "AlertLog",
    "Approved",
    "AuditFeed",
    "AuditReport",
    "AuditRow",
    "Browser",
    "Change",
    "DataFolder",
    "Database",
    "Dismissals",
    "Grant",
    "MemoryRows",
    "OAuthStore",
    "PasswordHashes",
    "Poll",
    "ProfileMemory",
    "Resource",
    "Resources",
    "SchemaTooNew",
    "Secrets",
    "ServerSnapshots",
    "SignIn",
    "SignInAttempts",
    "SignIns",
    "Vault",
    "Version",
    "Waiting",
    "Wanted",
    "Written",
]
