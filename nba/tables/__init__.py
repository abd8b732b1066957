"""The tables that cross the border, and their checks."""

from nba.tables.adapters import from_frame, open_payments
from nba.tables.arrays import columns_of
from nba.tables.candidates import candidates
from nba.tables.columns import TABLES, Column, Table
from nba.tables.defaults import default_channels
from nba.tables.engagement import Engagement, check_table
from nba.tables.moments import as_moment, seconds
from nba.tables.one import OneHCP, consent_of
from nba.tables.records import rows_from_records

__all__ = [
    "TABLES",
    "Column",
    "Engagement",
    "OneHCP",
    "Table",
    "as_moment",
    "candidates",
    "check_table",
    "columns_of",
    "consent_of",
    "default_channels",
    "from_frame",
    "open_payments",
    "rows_from_records",
    "seconds",
]
