"""One entry per call, whatever became of it: written to the spool first, to the database in batches after."""

from hub.ledger.deliveries import Deliveries, Health
from hub.ledger.exports import Exports
from hub.ledger.fares import Fare, Fares
from hub.ledger.filters import Filters, Order, Sort
from hub.ledger.formats import MEDIA, check_format, csv_lines, written
from hub.ledger.latency import Percentiles
from hub.ledger.ledger import Keeping, Ledger
from hub.ledger.messages import Messages
from hub.ledger.pages import LOOKED_AT, Page
from hub.ledger.payloads import Kept, Payloads
from hub.ledger.pricing import ceiling_micro_usd, cost_micro_usd
from hub.ledger.queries import Queries
from hub.ledger.record import Record
from hub.ledger.repricing import Repriced, Repricing
from hub.ledger.retention import Retention
from hub.ledger.rollups import Rollups
from hub.ledger.sessions import Run, SessionLine, Sessions
from hub.ledger.sink import OnWritten
from hub.ledger.spool import Durability, Spool
from hub.ledger.tail import Tail
from hub.ledger.totals import Dimension, Totals, parse_dimensions, scope_filters
from hub.ledger.writer import Writer

__all__ = [
    "LOOKED_AT",
    "MEDIA",
    "Deliveries",
    "Dimension",
    "Durability",
    "Exports",
    "Fare",
    "Fares",
    "Filters",
    "Health",
    "Keeping",
    "Kept",
    "Ledger",
    "Messages",
    "OnWritten",
    "Order",
    "Page",
    "Payloads",
    "Percentiles",
    "Queries",
    "Record",
    "Repriced",
    "Repricing",
    "Retention",
    "Rollups",
    "Run",
    "SessionLine",
    "Sessions",
    "Sort",
    "Spool",
    "Tail",
    "Totals",
    "Writer",
    "ceiling_micro_usd",
    "check_format",
    "cost_micro_usd",
    "csv_lines",
    "parse_dimensions",
    "scope_filters",
    "written",
]
