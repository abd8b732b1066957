"""The tables that cross the border, and their checks."""

from nba.tables.adapters import from_frame, open_payments
from nba.tables.arrays import columns_of
from nba.tables.candidates import candidates
from nba.tables.columns import TABLES, Column, Table
from nba.tables.defaults import default_channels
from nba.tables.engagement import Engagement, check_table
from nba.tables.moments import as_moment, seconds
from nba.tables.objects import from_objects, map_objects
from nba.tables.one import OneHCP, consent_of, history_of, table_of
from nba.tables.records import rows_from_records
from nba.tables.rules import Filled, Picklist, Rule, Via
from nba.tables.salesforce import SALESFORCE, from_salesforce
from nba.tables.veeva import VEEVA, from_veeva

__all__ = [
    "TABLES",
    "Column",
    "SALESFORCE",
    "VEEVA",
    "Engagement",
    "Filled",
    "OneHCP",
    "Picklist",
    "Rule",
    "Table",
    "Via",
    "as_moment",
    "candidates",
    "check_table",
    "columns_of",
    "consent_of",
    "default_channels",
    "from_frame",
    "from_objects",
    "from_salesforce",
    "from_veeva",
    "history_of",
    "map_objects",
    "open_payments",
    "rows_from_records",
    "seconds",
    "table_of",
]
