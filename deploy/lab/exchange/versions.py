"""The server generations that can be played, what each calls itself and what each refuses."""

import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

from deploy.lab.exchange.soap import SoapFaultError, local_name

# RequestServerVersion values in the order in which they came, with the first server that knows each.
_REQUESTS: Final = {
    "Exchange2007": (8, 0),
    "Exchange2007_SP1": (8, 1),
    "Exchange2009": (14, 0),
    "Exchange2010": (14, 0),
    "Exchange2010_SP1": (14, 1),
    "Exchange2010_SP2": (14, 2),
    "Exchange2012": (15, 0),
    "Exchange2013": (15, 0),
    "Exchange2013_SP1": (15, 0),
    "Exchange2015": (15, 1),
    "Exchange2016": (15, 1),
    "Exchange2019": (15, 2),
}

# Elements, attributes and field URIs that came with Exchange 2013 (or its SP1) and that 2010 SP1 refuses.
_SINCE_2013: Final = frozenset(
    {
        "Flag", "item:Flag", "StoreEntryId", "item:StoreEntryId", "InstanceKey", "item:InstanceKey",
        "NormalizedBody", "item:NormalizedBody", "EntityExtractionResult", "item:EntityExtractionResult",
        "PolicyTag", "item:PolicyTag", "ArchiveTag", "item:ArchiveTag", "RetentionDate", "item:RetentionDate",
        "Preview", "item:Preview", "TextBody", "item:TextBody", "IconIndex", "item:IconIndex",
        "RightsManagementLicenseData", "item:RightsManagementLicenseData", "BlockStatus", "item:BlockStatus",
        "HasBlockedImages", "item:HasBlockedImages", "folder:DistinguishedFolderId", "folder:PolicyTag",
        "folder:ArchiveTag", "StartWallClock", "calendar:StartWallClock", "EndWallClock", "calendar:EndWallClock",
        "StartTimeZoneId", "calendar:StartTimeZoneId", "EndTimeZoneId", "calendar:EndTimeZoneId",
        "EnhancedLocation", "calendar:EnhancedLocation", "JoinOnlineMeetingUrl", "calendar:JoinOnlineMeetingUrl",
        "SuppressReadReceipts", "meetingRequest:ChangeHighlights", "IsClutter", "item:IsClutter",
    }
)  # fmt: skip
_SUSPECT: Final = re.compile(
    rb"[:<\"' ](?:" + b"|".join(re.escape(name.encode()) for name in sorted(_SINCE_2013)) + rb")[\"'>=/ ]"
)


@dataclass(frozen=True, slots=True)
class Version:
    """One server version: how it is asked for, and what it says of itself in ServerVersionInfo."""

    name: str
    major: int
    minor: int
    build_major: int
    build_minor: int
    schema: str

    @property
    def generation(self) -> tuple[int, int]:
        """Major and minor number, by which capabilities are compared."""
        return (self.major, self.minor)

    def server_version_info(self) -> str:
        """Return the SOAP header element of every answer."""
        return (
            '<h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types" '
            f'MajorVersion="{self.major}" MinorVersion="{self.minor}" MajorBuildNumber="{self.build_major}" '
            f'MinorBuildNumber="{self.build_minor}" Version="{self.schema}"/>'
        )


VERSIONS: Final = {
    version.name: version
    for version in (
        Version("2010_SP1", 14, 1, 438, 0, "Exchange2010_SP1"),
        Version("2013", 15, 0, 1497, 2, "V2_23"),
        Version("2016", 15, 1, 2507, 6, "V2017_07_11"),
        Version("2019", 15, 2, 1544, 4, "V2017_07_11"),
    )
}


def effective(server: Version, requested: str | None) -> tuple[int, int]:
    """Return the generation that a request is served as: the older of the server's and the requested one.

    Raises `SoapFaultError` (ErrorInvalidServerVersion) where the server is too old or knows no such version.
    """
    if requested is None:
        return server.generation
    generation = (15, 1) if re.fullmatch(r"V201\d_\d\d_\d\d", requested) else _REQUESTS.get(requested)
    if generation is None or generation > server.generation:
        raise SoapFaultError("ErrorInvalidServerVersion", "The specified server version is invalid.")
    return generation


def refuse_newer(body: bytes, operation: etree._Element, generation: tuple[int, int]) -> None:
    """Refuse what Exchange 2010 SP1 does not know; raises `SoapFaultError` (ErrorSchemaValidation)."""
    if generation >= (15, 0) or _SUSPECT.search(body) is None:
        return
    for node in operation.iter():
        names = {local_name(node), *(str(key) for key in node.attrib), str(node.get("FieldURI"))}
        if not names.isdisjoint(_SINCE_2013):
            raise SoapFaultError(
                "ErrorSchemaValidation",
                f"The request failed schema validation: '{min(names & _SINCE_2013)}' came with Exchange 2013.",
            )
