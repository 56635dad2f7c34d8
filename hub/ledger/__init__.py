"""One entry per call, whatever became of it: written to the spool first, to the database in batches after."""

from hub.ledger.exports import Exports
from hub.ledger.filters import Filters
from hub.ledger.ledger import Keeping, Ledger
from hub.ledger.payloads import Kept, Payloads
from hub.ledger.pricing import ceiling_micro_usd, cost_micro_usd
from hub.ledger.queries import Page, Queries
from hub.ledger.record import Record
from hub.ledger.sink import OnWritten
from hub.ledger.spool import Durability, Spool
from hub.ledger.totals import Dimension, Totals, parse_dimensions
from hub.ledger.writer import Writer

__all__ = [
    "Dimension",
    "Durability",
    "Exports",
    "Filters",
    "Keeping",
    "Kept",
    "Ledger",
    "OnWritten",
    "Page",
    "Payloads",
    "Queries",
    "Record",
    "Spool",
    "Totals",
    "Writer",
    "ceiling_micro_usd",
    "cost_micro_usd",
    "parse_dimensions",
]
