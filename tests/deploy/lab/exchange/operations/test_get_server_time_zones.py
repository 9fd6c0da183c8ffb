from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def test_the_asked_zones_are_answered_with_their_rules(exchange: Any) -> None:
    answer = exchange.post(
        '<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>W. Europe Standard Time</t:Id>'
        "<t:Id>UTC</t:Id><t:Id>Nowhere</t:Id></m:Ids></m:GetServerTimeZones>"
    )
    zones = list(answer.iter(f"{T}TimeZoneDefinition"))
    assert [zone.get("Id") for zone in zones] == ["W. Europe Standard Time", "UTC"]
    assert [period.get("Bias") for period in zones[0].iter(f"{T}Period")] == ["-PT1H", "-PT2H"]


def test_all_zones_are_answered_where_none_is_named(exchange: Any) -> None:
    for full in ("true", "false"):
        answer = exchange.post(f'<m:GetServerTimeZones ReturnFullTimeZoneData="{full}"/>')
        assert len(list(answer.iter(f"{T}TimeZoneDefinition"))) > 20
