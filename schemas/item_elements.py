"""The elements of items that are no messages: what EWS lets a client set of each kind, and by which field URI.

One table for both sides: a feed reads these elements and no others, a replay sets or deletes them one by one where the
item is (MS-OXWSCORE, MS-OXWSMTGS, MS-OXWSCONT, MS-OXWSDLIST, MS-OXWSTASK). Left out are what only a server writes (ids,
sizes, times of its own, what it computes), what `Marks` carry (categories, importance, flag, read), attachments, and
what Exchange 2013 does not know or computes from an element that is here (StartWallClock, EnhancedLocation): 2013 is
the oldest server a way back leads to.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How the value of an element is written, and what of it has to be equal."""

    TEXT = "a text"
    TIME = "an instant"
    NUMBER = "a number"
    TRUTH = "true or false"
    BODY = "a text that is plain or HTML"
    TEXTS = "texts in any order"
    ENTRIES = "texts by key, each with a field of its own"
    ADDRESSES = "postal addresses by key, each part with a field of its own"
    ATTENDEES = "mailboxes in any order; what they answered is the server's"
    MEMBERS = "mailboxes in any order"
    ZONE = "a time zone, by its id"
    TREE = "a structure that is set as a whole"


@dataclass(frozen=True, slots=True)
class ItemElement:
    """One element and its field URI; `together` names what is set with it although it alone differs.

    An element that `is_kept` is never deleted: an item of its kind can't be without it.
    """

    name: str
    uri: str
    kind: Kind = Kind.TEXT
    keys: tuple[str, ...] = ()
    entry_uri: str = ""
    together: str = ""
    is_kept: bool = False


ADDRESS_PARTS: Final = ("Street", "City", "State", "CountryOrRegion", "PostalCode")
EMAIL_KEYS: Final = ("EmailAddress1", "EmailAddress2", "EmailAddress3")
IM_KEYS: Final = ("ImAddress1", "ImAddress2", "ImAddress3")
ADDRESS_KEYS: Final = ("Home", "Business", "Other")
PHONE_KEYS: Final = (
    "AssistantPhone", "BusinessFax", "BusinessPhone", "BusinessPhone2", "Callback", "CarPhone", "CompanyMainPhone",
    "HomeFax", "HomePhone", "HomePhone2", "Isdn", "MobilePhone", "OtherFax", "OtherTelephone", "Pager", "PrimaryPhone",
    "RadioPhone", "Telex", "TtyTddPhone",
)  # fmt: skip


def _texts(prefix: str, names: str) -> tuple[ItemElement, ...]:
    return tuple(ItemElement(name, f"{prefix}:{name}") for name in names.split())


_ITEM: Final = (
    ItemElement("Subject", "item:Subject"),
    ItemElement("Sensitivity", "item:Sensitivity", is_kept=True),
    ItemElement("Body", "item:Body", Kind.BODY, is_kept=True),
    ItemElement("ReminderIsSet", "item:ReminderIsSet", Kind.TRUTH, is_kept=True),
    ItemElement("ReminderMinutesBeforeStart", "item:ReminderMinutesBeforeStart", Kind.NUMBER),
)
_DUE: Final = ItemElement("ReminderDueBy", "item:ReminderDueBy", Kind.TIME)
"""Computed from the start of an appointment, and to be set of everything else."""

_WHEN: Final = "when it is"
_CALENDAR: Final = (
    # the zones first: a time that is set without one takes that of the request
    ItemElement("StartTimeZone", "calendar:StartTimeZone", Kind.ZONE, together=_WHEN, is_kept=True),
    ItemElement("EndTimeZone", "calendar:EndTimeZone", Kind.ZONE, together=_WHEN, is_kept=True),
    ItemElement("Start", "calendar:Start", Kind.TIME, together=_WHEN, is_kept=True),
    ItemElement("End", "calendar:End", Kind.TIME, together=_WHEN, is_kept=True),
    ItemElement("IsAllDayEvent", "calendar:IsAllDayEvent", Kind.TRUTH, is_kept=True),
    ItemElement("LegacyFreeBusyStatus", "calendar:LegacyFreeBusyStatus", is_kept=True),
    ItemElement("Location", "calendar:Location"),
    ItemElement("IsResponseRequested", "calendar:IsResponseRequested", Kind.TRUTH, is_kept=True),
    ItemElement("RequiredAttendees", "calendar:RequiredAttendees", Kind.ATTENDEES),
    ItemElement("OptionalAttendees", "calendar:OptionalAttendees", Kind.ATTENDEES),
    ItemElement("Resources", "calendar:Resources", Kind.ATTENDEES),
    ItemElement("Recurrence", "calendar:Recurrence", Kind.TREE),
    ItemElement("ConferenceType", "calendar:ConferenceType", Kind.NUMBER, is_kept=True),
    ItemElement("AllowNewTimeProposal", "calendar:AllowNewTimeProposal", Kind.TRUTH, is_kept=True),
    ItemElement("MeetingWorkspaceUrl", "calendar:MeetingWorkspaceUrl"),
    ItemElement("NetShowUrl", "calendar:NetShowUrl"),
)
_CONTACT: Final = (
    ItemElement("FileAsMapping", "contacts:FileAsMapping", is_kept=True),
    *_texts("contacts", "FileAs DisplayName GivenName Initials MiddleName Nickname CompanyName"),
    ItemElement("EmailAddresses", "contacts:EmailAddresses", Kind.ENTRIES, EMAIL_KEYS, "contacts:EmailAddress"),
    ItemElement(
        "PhysicalAddresses", "contacts:PhysicalAddresses", Kind.ADDRESSES, ADDRESS_KEYS, "contacts:PhysicalAddress"
    ),
    ItemElement("PhoneNumbers", "contacts:PhoneNumbers", Kind.ENTRIES, PHONE_KEYS, "contacts:PhoneNumber"),
    ItemElement("AssistantName", "contacts:AssistantName"),
    ItemElement("Birthday", "contacts:Birthday", Kind.TIME),
    ItemElement("BusinessHomePage", "contacts:BusinessHomePage"),
    ItemElement("Children", "contacts:Children", Kind.TEXTS),
    ItemElement("Companies", "contacts:Companies", Kind.TEXTS),
    *_texts("contacts", "Department Generation"),
    ItemElement("ImAddresses", "contacts:ImAddresses", Kind.ENTRIES, IM_KEYS, "contacts:ImAddress"),
    *_texts("contacts", "JobTitle Manager Mileage OfficeLocation"),
    ItemElement("PostalAddressIndex", "contacts:PostalAddressIndex", is_kept=True),
    *_texts("contacts", "Profession SpouseName Surname"),
    ItemElement("WeddingAnniversary", "contacts:WeddingAnniversary", Kind.TIME),
)
_LIST: Final = (
    *_texts("contacts", "DisplayName FileAs"),
    ItemElement("Members", "distributionlist:Members", Kind.MEMBERS),
)
_TASK: Final = (
    ItemElement("ActualWork", "task:ActualWork", Kind.NUMBER),
    ItemElement("BillingInformation", "task:BillingInformation"),
    ItemElement("Companies", "task:Companies", Kind.TEXTS),
    ItemElement("Contacts", "task:Contacts", Kind.TEXTS),
    ItemElement("StartDate", "task:StartDate", Kind.TIME),
    ItemElement("DueDate", "task:DueDate", Kind.TIME),
    ItemElement("Mileage", "task:Mileage"),
    ItemElement("Recurrence", "task:Recurrence", Kind.TREE),
    # a server keeps these three in step; the last one that is set is the most exact
    ItemElement("Status", "task:Status", is_kept=True),
    ItemElement("PercentComplete", "task:PercentComplete", Kind.NUMBER, is_kept=True),
    ItemElement("CompleteDate", "task:CompleteDate", Kind.TIME),
    ItemElement("StatusDescription", "task:StatusDescription"),
    ItemElement("TotalWork", "task:TotalWork", Kind.NUMBER),
)

ELEMENTS: Final[dict[str, tuple[ItemElement, ...]]] = {
    "CalendarItem": (*_ITEM, *_CALENDAR),
    "Contact": (*_ITEM, _DUE, *_CONTACT),
    "DistributionList": (*_ITEM, _DUE, *_LIST),
    "Task": (*_ITEM, _DUE, *_TASK),
    "Message": (*_ITEM, _DUE),
}
"""The settable elements by the name of the item element, in the order in which they are set.

Classes that EWS has no element of their own for (notes, journal, documents, meeting messages) are set as Message.
"""

FLAGGED: Final = frozenset({"Contact", "DistributionList", "Message"})
"""Kinds that can have a follow-up flag."""


def kind_of(name: str) -> str:
    """Return the kind of the table for the name of an item's element."""
    return name if name in ELEMENTS else "Message"


def uris() -> tuple[str, ...]:
    """Return the field URIs of everything in the table but dictionaries, each once."""
    return tuple(dict.fromkeys(e.uri for elements in ELEMENTS.values() for e in elements if not e.keys))
