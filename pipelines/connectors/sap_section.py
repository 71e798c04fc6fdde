"""The section of a channel's file for SAP plant maintenance: where it is, what is written there, what is read back."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import WrongValueError, configuration
from data_contracts.records.outbox.event_kinds import ALARM_OPENED, WORK_PLANNED
from features.setting_types import Duration, PositiveCount, PositiveDuration, Share, TimeZone

SAP_KINDS = (ALARM_OPENED, WORK_PLANNED)
"""The kinds of events that become notifications."""
_OWN_FIELDS = (
    "NotificationType",
    "NotificationText",
    "MaintNotifLongTextForEdit",
    "MaintNotifExtReferenceNumber",
    "TechnicalObject",
    "TechObjIsEquipOrFuncnlLoc",
)


@configuration
class PriorityRule:
    """Which priority a notification has."""

    priority: Annotated[str, Field(min_length=1, max_length=1)]
    """SAP's priority."""
    probability: Share = 0.0
    """From which probability of a failure on."""
    within: PositiveDuration | None = None
    """Only if the failure is expected within so long; in any case by default."""


@configuration
class SapSection:
    """An SAP system that takes events as maintenance notifications, and gives back what became of them."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", title="an http or https address")]
    """Where its OData services are, such as https://s4.plant.example/sap/opu/odata/sap."""
    notification_type: Annotated[str, Field(min_length=2, max_length=2)]
    """The type of the notifications, such as M2."""
    time_zone: TimeZone
    """The time zone of SAP's local times, such as Europe/Berlin; a notification's own UTC goes first."""
    time_zones: dict[str, TimeZone] = Field(default_factory=dict)
    """What the time zones that notifications name are, such as EST = "America/New_York"."""
    client: Annotated[str | None, Field(pattern=r"^\d{3}$", title="three digits")] = None
    """The client (sap-client); the system's own by default."""
    user: Annotated[str | None, Field(min_length=1)] = None
    """The technical user; with `password_file`."""
    password_file: Path | None = None
    """A file whose first line is the user's password."""
    token_file: Path | None = None
    """A file whose first line is sent as a bearer token, in place of user and password."""
    ca: Path | None = None
    """The certificates (PEM) that the system's must be signed by; those of the machine by default."""
    answer_within: PositiveDuration = pd.Timedelta(seconds=30)
    """How long the system may take to answer."""
    settle: PositiveDuration = pd.Timedelta(minutes=10)
    """How long a request may take effect after it was cut off: SAP's longest run of a dialog process
    (rdisp/max_wprun_time). Only after it is looked whether the notification is there, and else posted again."""
    notifications: Annotated[str, Field(pattern=r"^[\w;=.-]+$")] = "API_MAINTNOTIFICATION"
    """The name of the service of notifications."""
    orders: Annotated[str, Field(pattern=r"^[\w;=.-]+$")] = "API_MAINTENANCEORDER"
    """The name of the service of orders."""
    prefix: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,4}$", title="two to four capital letters or digits")] = "FW"
    """What our reference numbers begin with; workspaces that share an SAP system need one each. It must stay."""
    objects: Path | None = None
    """A table (CSV: asset, object, kind) of technical objects; an asset that is not in it has its own name."""
    object_kind: Literal["equipment", "location"] = "equipment"
    """What the technical objects are where the table does not say."""
    priorities: tuple[PriorityRule, ...] = ()
    """The first that fits counts; without one the system decides."""
    code_group: Annotated[str | None, Field(min_length=1, max_length=8)] = None
    """The code group of the notifications' coding."""
    code: Annotated[str | None, Field(min_length=1, max_length=4)] = None
    """The code of the notifications' coding."""
    fields: dict[str, str] = Field(default_factory=dict)
    """More fields of every notification by SAP's names, such as MaintenancePlanningPlant."""
    silenced: bool = False
    """Whether alarms that somebody has silenced become notifications, too."""
    pull: Literal["assets", "ours"] = "assets"
    """Whose notifications are read back: those of every asset, or those that were written from here."""
    codes: Path | None = None
    """A table (CSV: catalog, code_group, code, mode, finding, component) of what the plant's codes mean."""
    order_kinds: dict[str, Literal["routine", "inspection", "corrective"]] = Field(default_factory=dict)
    """The kind of work of each order type, such as PM01 = "corrective"; orders of others go to quarantine."""
    order_done: tuple[str, ...] = ("TECO", "CLSD")
    """The system status that says that an order's work is done; one of them is enough."""
    overlap: Duration = pd.Timedelta(minutes=10)
    """How far before the last change that was read the next reading begins, as changes become visible late."""
    page: PositiveCount = 200
    """How many notifications or orders are read at once."""

    def __post_init__(self) -> None:
        """Check what belongs together."""
        if (self.user is None) != (self.password_file is None):
            raise WrongValueError("user", "stands without password_file, or the other way round", "both or none")
        if (self.user is None) == (self.token_file is None):
            found = "is set beside user" if self.user else "is missing, as are user and password_file"
            raise WrongValueError("token_file", found, "either a token_file, or user and password_file")
        if (self.code_group is None) != (self.code is None):
            raise WrongValueError("code", "stands without code_group, or the other way round", "both or none")
        if self.settle <= self.answer_within:
            raise WrongValueError("settle", "is not longer than answer_within", "a longer time")
        if own := sorted(set(self.fields) & set(_OWN_FIELDS)):
            raise WrongValueError("fields", f"sets {', '.join(own)}", "fields that are not written anyway")
