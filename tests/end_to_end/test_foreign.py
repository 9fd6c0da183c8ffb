"""What others put at the target stays as it is; what is altered there is seen by the comparison."""

from typing import Any

import pytest

from deploy.lab.session import attribute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any


def test_mail_that_is_at_the_target_already_stays_untouched_and_is_reported_as_foreign(living: Living) -> None:
    standby = living.standbys[0]
    item_id = standby.create_mail(standby.folder(("/inbox",)), [living.mail()])[0]
    change_key = standby.change_key(item_id)
    living.put(living.mail())
    living.await_level()
    found = living.compare()
    assert found.is_clean, found
    assert found.foreign == 1
    assert standby.change_key(item_id) == change_key
    standby.delete(item_id, how="HardDelete")


@pytest.mark.parametrize(
    ("field", "element"),
    [
        ("message:IsRead", "<t:IsRead>true</t:IsRead>"),
        ("item:Flag", "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>"),
        ("item:Subject", "<t:Subject>altered</t:Subject>"),
        ("item:Categories", "<t:Categories><t:String>altered</t:String></t:Categories>"),
    ],
    ids=["read flag", "flag", "header", "categories"],
)
def test_one_value_altered_at_the_target_is_said_by_the_comparison(living: Living, field: str, element: str) -> None:
    living.put(living.mail())
    living.await_level()
    standby = living.standbys[0]
    newest = living.ids(standby, living.target_session, "inbox")[0]
    standby.update(newest, field, element)
    found = living.compare()
    assert not found.is_clean
    assert found.differing == 1 or (found.missing, found.extra) == (1, 1), found
    standby.delete(newest, how="HardDelete")
    source = living.ids(living.users[0], living.source_session, "inbox")
    for item_id in source:
        living.users[0].delete(item_id, how="HardDelete")
    living.await_level()
    assert living.compare().is_clean


def test_one_attachment_byte_altered_at_the_target_is_said_by_the_comparison(living: Living) -> None:
    living.put(living.mail(attachment=b"0123456789"))
    living.await_level()
    standby = living.standbys[0]
    session = living.target_session
    newest = living.ids(standby, session, "inbox")[0]
    shape = (
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
        '<t:FieldURI FieldURI="item:Attachments"/></t:AdditionalProperties></m:ItemShape>'
        f"<m:ItemIds><t:ItemId Id={attribute(newest)}/></m:ItemIds></m:GetItem>"
    )
    held = next(session.one("GetItem", standby.address, shape).iter("{*}AttachmentId"))
    session.one(
        "DeleteAttachment",
        standby.address,
        f"<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id={attribute(str(held.get('Id')))}/>"
        "</m:AttachmentIds></m:DeleteAttachment>",
    )
    session.one(
        "CreateAttachment",
        standby.address,
        f"<m:CreateAttachment><m:ParentItemId Id={attribute(newest)}/><m:Attachments><t:FileAttachment>"
        "<t:Name>a.bin</t:Name><t:Content>MDEyMzQ1Njc4WA==</t:Content></t:FileAttachment></m:Attachments>"
        "</m:CreateAttachment>",
    )
    found = living.compare()
    assert found.differing == 1 or (found.missing, found.extra) == (1, 1), found
