"""The elements of an EWS item: their order in the schema, their field URIs and how their values are kept.

A value in `Item.fields` is a text, a list of texts, a list of mailboxes `[name, address, routing]`, or a mapping:
`{"xml": …}` for a structure that is kept whole, `{"entries": …}` for a keyed dictionary of a contact.
"""

from typing import Final

_ITEM: Final = (
    "MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived Size Categories"
    " Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified InternetMessageHeaders DateTimeSent"
    " DateTimeCreated ReminderDueBy ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo"
    " DisplayBcc HasAttachments ExtendedProperty Culture EffectiveRights LastModifiedName LastModifiedTime IsAssociated"
    " ConversationId UniqueBody Flag StoreEntryId InstanceKey NormalizedBody PolicyTag ArchiveTag RetentionDate Preview"
    " TextBody IconIndex"
)
_MESSAGE: Final = (
    "Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested ConversationIndex"
    " ConversationTopic From InternetMessageId IsRead IsResponseRequested References ReplyTo ReceivedBy"
    " ReceivedRepresenting"
)
_MEETING: Final = (
    "AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType UID RecurrenceId DateTimeStamp"
)
_SCHEDULE: Final = (
    "Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location When IsMeeting IsCancelled IsRecurring"
    " MeetingRequestWasSent"
)
_ATTENDANCE: Final = "CalendarItemType MyResponseType Organizer RequiredAttendees OptionalAttendees Resources"
_SERIES: Final = (
    "ConflictingMeetingCount AdjacentMeetingCount Duration TimeZone AppointmentReplyTime AppointmentSequenceNumber"
    " AppointmentState Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences"
    " MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting"
    " MeetingWorkspaceUrl NetShowUrl EnhancedLocation"
)
_CALENDAR: Final = (
    f"UID RecurrenceId DateTimeStamp {_SCHEDULE} IsResponseRequested {_ATTENDANCE} {_SERIES}"
    " StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl"
    " OnlineMeetingSettings IsOrganizer"
)
_CONTACT: Final = (
    "FileAs FileAsMapping DisplayName GivenName Initials MiddleName Nickname CompleteName CompanyName EmailAddresses"
    " PhysicalAddresses PhoneNumbers AssistantName Birthday BusinessHomePage Children Companies ContactSource"
    " Department Generation ImAddresses JobTitle Manager Mileage OfficeLocation PostalAddressIndex"
    " Profession SpouseName Surname WeddingAnniversary HasPicture PhoneticFullName PhoneticFirstName"
    " PhoneticLastName Alias Notes Photo"
    " UserSMIMECertificate MSExchangeCertificate DirectoryId ManagerMailbox DirectReports"
)
_TASK: Final = (
    "ActualWork AssignedTime BillingInformation ChangeCount Companies CompleteDate Contacts DelegationState Delegator"
    " DueDate IsAssignmentEditable IsComplete IsRecurring IsTeamTask Mileage Owner PercentComplete Recurrence StartDate"
    " Status StatusDescription TotalWork"
)
_POST: Final = "ConversationIndex ConversationTopic From InternetMessageId IsRead PostedTime References Sender"
_REQUEST: Final = (
    f"MeetingRequestType IntendedFreeBusyStatus {_SCHEDULE} {_ATTENDANCE} {_SERIES}"
    " StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId"
)
_CHANGED_MEETING: Final = "Start End Location Recurrence CalendarItemType"

# Element name of an item kind -> its fields in the order of the schema, with their URI prefixes.
_KINDS: Final = {
    "Message": (("message", _MESSAGE),),
    "CalendarItem": (("calendar", _CALENDAR),),
    "Contact": (("contacts", _CONTACT),),
    "DistributionList": (("contacts", "DisplayName FileAs ContactSource"), ("distributionlist", "Members")),
    "Task": (("task", _TASK),),
    "PostItem": (("postitem", _POST),),
    "MeetingMessage": (("message", _MESSAGE), ("meeting", _MEETING)),
    "MeetingRequest": (("message", _MESSAGE), ("meeting", _MEETING), ("meetingRequest", _REQUEST)),
    "MeetingResponse": (("message", _MESSAGE), ("meeting", _MEETING), ("meeting", _CHANGED_MEETING)),
    "MeetingCancellation": (("message", _MESSAGE), ("meeting", _MEETING), ("meeting", _CHANGED_MEETING)),
}
KINDS: Final = {
    kind: (*_ITEM.split(), *(name for _, names in groups for name in names.split())) for kind, groups in _KINDS.items()
}
NAMES: Final = frozenset(name for names in KINDS.values() for name in names)
# Names of the schema that no item here ever has: they may be asked for and are never answered.
ABSENT: Final = frozenset(
    [
        "ResponseObjects",
        "EntityExtractionResult",
        "PredictedActionReasons",
        "IsClutter",
        "RightsManagementLicenseData",
        "BlockStatus",
        "HasBlockedImages",
        "WebClientReadFormQueryString",
        "WebClientEditFormQueryString",
        "MimeContentUTF8",
        "Mentions",
        "MentionedMe",
        "MentionsPreview",
        "MentionsEx",
        "Hashtags",
        "AppliedHashtags",
        "AppliedHashtagsPreview",
        "Likes",
        "LikesPreview",
        "PendingSocialActivityTagIds",
        "AtAllMention",
        "CanDelete",
        "InferenceClassification",
        "FirstBody",
        "ApprovalRequestData",
        "VotingInformation",
        "ReminderMessageData",
        "ProposedStart",
        "ProposedEnd",
        "ChangeHighlights",
        "ConflictingMeetings",
        "AdjacentMeetings",
        "InboxReminders",
        "CalendarActivityData",
        "AbchEmailAddresses",
        "AccountName",
        "IsAutoUpdateDisabled",
        "IsMessengerEnabled",
        "Comment",
        "ContactShortId",
        "ContactType",
        "CreatedBy",
        "Gender",
        "IsHidden",
        "ObjectId",
        "PassportId",
        "IsPrivate",
        "SourceId",
        "TrustLevel",
        "Urls",
        "Cid",
        "SkypeAuthCertificate",
        "SkypeContext",
        "SkypeId",
        "XboxLiveTag",
        "SkypeRelationship",
        "YomiNickname",
        "InviteFree",
        "HidePresenceAndProfile",
        "IsPendingOutbound",
        "SupportGroupFeeds",
        "UserTileHash",
        "UnifiedInbox",
        "Mris",
        "Wlid",
        "AbchContactId",
        "NotInBirthdayCalendar",
        "ShellContactType",
        "ImMri",
        "PresenceTrustLevel",
        "OtherMri",
        "ProfileLastChanged",
        "MobileIMEnabled",
        "PartnerNetworkProfilePhotoUrl",
        "PartnerNetworkThumbnailPhotoUrl",
        "PersonId",
        "ConversationGuid",
    ]
)
_URI_PREFIXES: Final = frozenset(
    {
        "item",
        "message",
        "calendar",
        "contacts",
        "distributionlist",
        "task",
        "postitem",
        "meeting",
        "meetingRequest",
    }
)

MAILBOX_LISTS: Final = frozenset({"ToRecipients", "CcRecipients", "BccRecipients", "ReplyTo"})
MAILBOXES: Final = frozenset({"Sender", "From", "ReceivedBy", "ReceivedRepresenting", "Organizer"})
TEXT_LISTS: Final = frozenset({"Categories", "Companies", "Children", "Contacts"})
DICTIONARIES: Final = frozenset({"EmailAddresses", "PhysicalAddresses", "PhoneNumbers", "ImAddresses"})

# What only the server writes; given by a client it is ignored, as Exchange ignores it on creation.
READ_ONLY: Final = frozenset(
    {
        "ItemId", "ParentFolderId", "Size", "IsSubmitted", "IsDraft", "IsFromMe", "IsResend", "IsUnmodified",
        "InternetMessageHeaders", "DateTimeCreated", "DisplayCc", "DisplayTo", "DisplayBcc", "HasAttachments",
        "EffectiveRights", "LastModifiedName", "LastModifiedTime", "ConversationId", "UniqueBody", "StoreEntryId",
        "InstanceKey", "NormalizedBody", "Preview", "TextBody", "FirstOccurrence", "LastOccurrence", "CompleteName",
        "ConflictingMeetingCount", "AdjacentMeetingCount", "IsAssociated",
    }
)  # fmt: skip
# What lists never carry (FindItem and SyncFolderItems answer ErrorInvalidPropertyRequest for these).
CONTENT_ONLY: Final = frozenset(
    {
        "MimeContent",
        "Body",
        "UniqueBody",
        "NormalizedBody",
        "TextBody",
        "InternetMessageHeaders",
        "Attachments",
    }
)
SINCE_2013: Final = frozenset(
    {
        "Flag", "StoreEntryId", "InstanceKey", "NormalizedBody", "PolicyTag", "ArchiveTag", "RetentionDate", "Preview",
        "TextBody", "IconIndex", "EnhancedLocation", "StartWallClock", "EndWallClock", "StartTimeZoneId",
        "EndTimeZoneId", "JoinOnlineMeetingUrl", "OnlineMeetingSettings",
    }
)  # fmt: skip

_CLASSES: Final = (
    ("ipm.note", "Message"),
    ("ipm.appointment", "CalendarItem"),
    ("ipm.contact", "Contact"),
    ("ipm.distlist", "DistributionList"),
    ("ipm.taskrequest", "Message"),
    ("ipm.task", "Task"),
    ("ipm.post", "PostItem"),
    ("ipm.schedule.meeting.request", "MeetingRequest"),
    ("ipm.schedule.meeting.resp", "MeetingResponse"),
    ("ipm.schedule.meeting.canceled", "MeetingCancellation"),
    ("ipm.schedule.meeting", "MeetingMessage"),
)
CLASS_OF_KIND: Final = {
    "Item": "IPM.Note",
    "Message": "IPM.Note",
    "CalendarItem": "IPM.Appointment",
    "Contact": "IPM.Contact",
    "DistributionList": "IPM.DistList",
    "Task": "IPM.Task",
    "PostItem": "IPM.Post",
    "MeetingMessage": "IPM.Schedule.Meeting",
    "MeetingRequest": "IPM.Schedule.Meeting.Request",
    "MeetingResponse": "IPM.Schedule.Meeting.Resp.Pos",
    "MeetingCancellation": "IPM.Schedule.Meeting.Canceled",
}


def kind_of(item_class: str) -> str:
    """Return the element that shows items of a class; classes EWS has no element for are shown as Message."""
    lowered = item_class.lower()
    for prefix, kind in _CLASSES:
        if lowered == prefix or lowered.startswith(prefix + "."):
            return kind
    return "Message"


def name_of_uri(uri: str) -> str | None:
    """Return the element name behind a FieldURI of an item, or None where the schema has no such field here."""
    prefix, _, name = uri.partition(":")
    if prefix in _URI_PREFIXES and (name in NAMES or name in ABSENT):
        return name
    return None
