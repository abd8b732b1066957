"""What every table holds: the schema, written as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nba.contracts import FOREVER, NEVER

Kind = Literal["id", "text", "moment", "day", "number", "flag", "list"]

OUTCOMES = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    "downloaded",
    "completed",
    "attended",
    "registered",
    "no_show",
    "declined",
    "held",
    "unsubscribed",
    "bounced",
    "complained",
    "branched",
)
"""All outcomes an interaction can have."""

TOUCH_OUTCOMES = frozenset({"sent", "held", "declined"})
"""Outcomes of an outbound contact attempt."""

ENGAGED_OUTCOMES = frozenset(
    {"opened", "clicked", "downloaded", "completed", "attended", "registered", "held", "branched"}
)
"""Outcomes by which a human engaged; "branched" is a step taken in interactive content."""

PATIENT_WORDS = frozenset(
    {
        "patient",
        "patients",
        "mrn",
        "dob",
        "ssn",
        "diagnosis",
        "diagnoses",
        "icd",
        "icd9",
        "icd10",
        "birthdate",
    }
)
PATIENT_NAMES = frozenset(
    {
        "birth_date",
        "birthday",
        "date_of_birth",
        "health_insurance_number",
        "medical_record",
        "medical_record_number",
        "nhs_number",
        "social_security_number",
    }
)
"""Columns that would hold patients' data; such a table is refused."""


@dataclass(frozen=True)
class Column:
    """What one column holds.

    Attributes
    ----------
    name : as in the table
    kind : id and text are str, moment is zone-aware, day is a date, list is a list of str
    required : the column must be there and no cell may be empty
    expected : a warning is given where the column or a cell is missing
    values : the only texts allowed; empty is any
    low, high : inclusive bounds of a number
    until : for moments: an empty cell means "no end" instead of "no start"
    otherwise : for flags: what an empty cell means
    """

    name: str
    kind: Kind
    required: bool = False
    expected: bool = False
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    until: bool = False
    otherwise: bool = False

    @property
    def missing(self) -> int:
        """The int64 that stands for an empty moment."""
        return FOREVER if self.until else NEVER


@dataclass(frozen=True)
class Table:
    """What one table holds.

    Attributes
    ----------
    name : as in ``Engagement``
    columns : in their canonical order
    key : columns that name a row; "" where rows need no name
    any_of : groups of columns of which at least one must be there
    without : what is switched off where the table is missing
    """

    name: str
    columns: tuple[Column, ...]
    key: str = ""
    any_of: tuple[tuple[str, ...], ...] = ()
    without: str = ""

    def __getitem__(self, name: str) -> Column:
        return self.by_name[name]

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in canonical order."""
        return tuple(column.name for column in self.columns)


_UNTIL = frozenset({"expiry", "valid_to", "to", "until", "expires_at"})


def _columns(kind: Kind, names: str, *, required: bool = False, expected: bool = False) -> tuple[Column, ...]:
    return tuple(
        Column(name, kind, required=required, expected=expected, until=name in _UNTIL)
        for name in names.split()
    )


def _vocabulary(name: str, values: str, *, required: bool = True) -> Column:
    return Column(name, "text", required=required, values=tuple(values.split()))


INTERACTIONS = Table(
    "interactions",
    (
        *_columns("id", "interaction_id hcp_id", required=True),
        *_columns("moment", "ts", required=True),
        *_columns("moment", "recorded_at"),
        *_columns("text", "channel", required=True),
        _vocabulary("direction", "outbound inbound"),
        _vocabulary("outcome", " ".join(OUTCOMES)),
        *_columns("id", "content_id product_id"),
        *_columns("text", "topic"),
        *_columns("id", "parent_id"),
        Column("duration_s", "number", low=0.0),
        _vocabulary("reaction", "pos neu neg", required=False),
        *_columns("text", "device"),
        *_columns("flag", "is_machine"),
        *_columns("id", "user_id"),
        *_columns("text", "user_function"),
        *_columns("id", "territory_id decision_id"),
        *_columns("text", "source"),
        *_columns("id", "session_id step"),
        *_columns("text", "query"),
        *_columns("number", "amount"),
        Column("selection_prob", "number", low=0.0, high=1.0),
    ),
    key="interaction_id",
)
CONTENT = Table(
    "content",
    (
        *_columns("id", "content_id document_number", required=True),
        *_columns("text", "version title", required=True),
        *_columns("list", "channels", required=True),
        *_columns("text", "content_type format topic", expected=True),
        *_columns("id", "product_id"),
        *_columns("text", "detail_group"),
        *_columns("id", "key_message_id"),
        *_columns("text", "indication"),
        _vocabulary("purpose", "promotional educational medical"),
        Column("depth_level", "number", low=1.0, high=5.0),
        *_columns("text", "stage"),
        *_columns("list", "audience_specialty"),
        Column("minutes", "number", low=0.0),
        *_columns("number", "complexity"),
        *_columns("text", "language", required=True),
        *_columns("list", "country"),
        _vocabulary("approval_status", "staged approved expired withdrawn"),
        *_columns("moment", "approved_from expiry", required=True),
        *_columns("moment", "last_reviewed"),
        *_columns("id", "supersedes family_id"),
        *_columns("text", "owner"),
        *_columns("list", "module_ids"),
    ),
    key="content_id",
    any_of=(("country",),),
)
HCPS = Table(
    "hcps",
    (
        *_columns("id", "hcp_id", required=True),
        *_columns("id", "npi onekey_id"),
        *_columns("text", "country", required=True),
        *_columns("text", "language timezone specialty role credentials setting"),
        *_columns("id", "hco_id territory_id brick_id"),
        *_columns("text", "segment tier"),
        Column("decile", "number", low=1.0, high=10.0),
        *_columns("number", "kol_score"),
        _vocabulary("access_level", "open limited no_see", required=False),
        *_columns("flag", "pdrp_opt_out"),
        *_columns("day", "pdrp_opt_out_date"),
        *_columns("flag", "do_not_call"),
        *_columns("text", "email_opt_type"),
        *_columns("moment", "valid_from valid_to"),
    ),
    key="hcp_id",
)
CONSENT = Table(
    "consent",
    (
        *_columns("id", "hcp_id", required=True),
        *_columns("text", "channel"),
        *_columns("text", "purpose"),
        *_columns("id", "product_id"),
        *_columns("text", "content_type"),
        _vocabulary("opt_type", "opt_in opt_out opt_in_pending"),
        *_columns("moment", "captured_at", required=True),
        *_columns("moment", "expires_at"),
        _vocabulary("optout_event", "consent_capture unsubscribed bounced marked_spam", required=False),
        *_columns("text", "channel_value"),
    ),
    any_of=(("channel",),),
    without="every channel that needs consent is blocked",
)
CHANNELS = Table(
    "channels",
    (
        *_columns("text", "channel", required=True),
        _vocabulary("function", "commercial medical none", required=False),
        _vocabulary("direction", "outbound inbound", required=False),
        # An empty cell must not open a channel.
        Column("consent_required", "flag", otherwise=True),
        *_columns("list", "success"),
        Column("attribution_days", "number", low=0.0),
        Column("cost", "number", low=0.0),
        Column("minutes", "number", low=0.0),
        *_columns("flag", "personal"),
    ),
    key="channel",
    without="the shipped channels with their defaults are used",
)
LABELS = Table(
    "labels",
    (
        *_columns("id", "product_id", required=True),
        *_columns("text", "country indication", required=True),
        *_columns("list", "topics specialties"),
        *_columns("day", "from to launch_date"),
    ),
    without="topics are not checked against labelled indications",
)
REPS = Table(
    "reps",
    (
        *_columns("id", "user_id", required=True),
        _vocabulary("function", "commercial medical"),
        *_columns("id", "territory_id"),
        *_columns("day", "from to off_from off_to"),
    ),
    without="no sender is assigned",
)
STATES = Table(
    "states",
    (
        *_columns("id", "hcp_id", required=True),
        *_columns("text", "state", required=True),
        *_columns("moment", "since", required=True),
        *_columns("moment", "until"),
        *_columns("text", "reason rule"),
    ),
    without="nobody is paused",
)
VALUES = Table(
    "values",
    (
        *_columns("text", "objective", required=True),
        *_columns("id", "product_id"),
        *_columns("text", "segment"),
        *_columns("number", "value", required=True),
    ),
    without="every success is worth 1",
)
CAPACITY = Table(
    "capacity",
    (
        _vocabulary("resource", "visit seat sample budget"),
        *_columns("text", "scope", required=True),
        *_columns("id", "scope_id"),
        *_columns("text", "channel period"),
        *_columns("day", "from to"),
        Column("units", "number", required=True, low=0.0),
        Column("unit_cost", "number", low=0.0),
    ),
    without="nothing is scarce",
)
PRESCRIPTIONS = Table(
    "prescriptions",
    (
        *_columns("id", "hcp_id brick_id"),
        *_columns("day", "period", required=True),
        *_columns("id", "product_id", required=True),
        *_columns("number", "trx nrx nbrx market_trx"),
        *_columns("moment", "available_at", required=True),
    ),
    any_of=(("hcp_id", "brick_id"), ("trx", "nrx", "nbrx")),
    without="no prescription features",
)
SIGNALS = Table(
    "signals",
    (
        *_columns("id", "signal_id", required=True),
        _vocabulary(
            "type",
            "guideline formulary_change congress label_update competitor_launch publication local_market",
        ),
        _vocabulary("scope", "hcp hco brick country global"),
        *_columns("id", "scope_id"),
        *_columns("text", "topic"),
        *_columns("id", "product_id"),
        *_columns("moment", "valid_from", required=True),
        *_columns("moment", "valid_to recorded_at"),
        *_columns("number", "strength"),
    ),
    key="signal_id",
    without="no signals",
)
NETWORK = Table(
    "network",
    (
        *_columns("id", "hcp_id_a hcp_id_b", required=True),
        *_columns("text", "relation", required=True),
        Column("weight", "number", low=0.0),
        *_columns("moment", "valid_from recorded_at"),
    ),
    without="no peer features",
)
PLAN = Table(
    "plan",
    (
        *_columns("id", "hcp_id", required=True),
        *_columns("id", "product_id"),
        *_columns("text", "channel"),
        *_columns("id", "cycle_id"),
        *_columns("number", "goal", required=True),
        *_columns("day", "from to"),
    ),
    without="no cycle plan",
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        INTERACTIONS,
        CONTENT,
        HCPS,
        CONSENT,
        CHANNELS,
        LABELS,
        REPS,
        STATES,
        VALUES,
        CAPACITY,
        PRESCRIPTIONS,
        SIGNALS,
        NETWORK,
        PLAN,
    )
}
"""All tables by name; the first three are needed to start."""

NEEDED = ("interactions", "content", "hcps")
