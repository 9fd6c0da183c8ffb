"""Autodiscover answers written: to the live server's own Autodiscover, or for EWS clients the settings; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from deploy.front_door.autodiscover_requests import SoapRequest

_AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_POX = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_ACTIVESYNC = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMAS = ("Exchange2010", "Exchange2010_SP1", "Exchange2010_SP2", "Exchange2013", "Exchange2013_SP1", "Exchange2016")
_NEWEST = {"2010_SP1": 2, "2013": 5, "2016": 6, "2019": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Where a mailbox is led: to another address, or to a server's Autodiscover; what EWS clients would be told."""

    address: str
    redirect_address: str
    redirect_url: str
    ews_url: str
    version: str


def pox_answer(lead: Lead, *, is_itself: bool) -> str:
    """Return a POX answer for Outlook's schema."""
    if is_itself:
        inner = (
            f"<Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>{escape(lead.ews_url)}</EwsUrl></Protocol>"
        )
    elif lead.redirect_address:
        inner = f"<Action>redirectAddr</Action><RedirectAddr>{escape(lead.redirect_address)}</RedirectAddr>"
    else:
        url = f"{lead.redirect_url}autodiscover.xml"
        inner = f"<Action>redirectUrl</Action><RedirectUrl>{escape(url)}</RedirectUrl>"
    user = (
        f"<User><AutoDiscoverSMTPAddress>{escape(lead.address)}</AutoDiscoverSMTPAddress></User>" if is_itself else ""
    )
    account = f"<Account><AccountType>email</AccountType>{inner}</Account>"
    return _document(
        f'<Autodiscover xmlns="{_POX}"><Response xmlns="{_OUTLOOK}">{user}{account}</Response></Autodiscover>'
    )


def activesync_answer(lead: Lead) -> str:
    """Return a POX answer for ActiveSync's schema; it knows redirections by address only."""
    redirect = f"<Action><Redirect>{escape(lead.redirect_address)}</Redirect></Action>"
    return _document(
        f'<Autodiscover xmlns="{_POX}"><Response xmlns="{_ACTIVESYNC}"><Culture>en:us</Culture>'
        f"<User><EMailAddress>{escape(lead.address)}</EMailAddress></User>{redirect}</Response></Autodiscover>"
    )


def soap_answer(request: SoapRequest, leads: Sequence[Lead], *, is_itself: bool) -> str:
    """Return the answer to GetUserSettings, one lead a user."""
    users = "".join(_user(request.settings, lead, is_itself=is_itself) for lead in leads)
    return _document(
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<GetUserSettingsResponseMessage xmlns="{_AUTODISCOVER}"><Response xmlns:i="{_XSI}">'
        "<ErrorCode>NoError</ErrorCode><ErrorMessage/>"
        f"<UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
    )


def _user(settings: Iterable[str], lead: Lead, *, is_itself: bool) -> str:
    if is_itself:
        return _settings(settings, lead)
    by_address = bool(lead.redirect_address)
    code = "RedirectAddress" if by_address else "RedirectUrl"
    target = lead.redirect_address if by_address else f"{lead.redirect_url}autodiscover.svc"
    return (
        f"<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>The mailbox lives elsewhere.</ErrorMessage>"
        f"<RedirectTarget>{escape(target)}</RedirectTarget><UserSettingErrors/><UserSettings/></UserResponse>"
    )


def _settings(settings: Iterable[str], lead: Lead) -> str:
    known = {
        "ExternalEwsUrl": lead.ews_url,
        "InternalEwsUrl": lead.ews_url,
        "AutoDiscoverSMTPAddress": lead.address,
        "EwsSupportedSchemas": ", ".join(_SCHEMAS[: _NEWEST[lead.version]]),
    }
    found, missing = "", ""
    for name in settings:
        if name in known:
            value = escape(known[name])
            found += f'<UserSetting i:type="StringSetting"><Name>{name}</Name><Value>{value}</Value></UserSetting>'
        else:
            missing += (
                "<UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode>"
                f"<ErrorMessage>Not known here.</ErrorMessage><SettingName>{escape(name)}</SettingName>"
                "</UserSettingError>"
            )
    return (
        "<UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage/>"
        f"<UserSettingErrors>{missing}</UserSettingErrors><UserSettings>{found}</UserSettings></UserResponse>"
    )


def _document(inner: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>{inner}'
