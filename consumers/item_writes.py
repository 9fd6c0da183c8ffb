"""What is written of an item: the parts of CreateItem and UpdateItem requests (MS-OXWSCORE). Pure.

`with_flags`: the server knows the Flag element (2013 and later).
"""

import base64

from consumers.element_updates import set_field, updates
from consumers.target import Edit, PortableItem, Update
from schemas import ews
from schemas.change import Form, ItemSaved, Marks
from schemas.element_values import unpacked
from schemas.ews import text
from schemas.item_elements import FLAGGED

_PROPERTIES = {
    p.tag.lower(): p
    for p in (
        ews.MESSAGE_FLAGS,
        ews.DELIVERY_TIME,
        ews.SUBMIT_TIME,
        ews.ICON_INDEX,
        ews.LAST_VERB,
        ews.LAST_VERB_TIME,
    )
}
_TIMES = frozenset({ews.DELIVERY_TIME.tag.lower(), ews.SUBMIT_TIME.tag.lower()})


def properties_of(saved: ItemSaved) -> dict[str, str]:
    """Return the properties of a message beside its MIME, by tag, with the times that its server shows.

    PidTagMessageDeliveryTime is set on receipt ([MS-OXOMSG] 2.2.3.9), so an item that was saved may lack it although
    its server shows a time of receipt; without it, the target would show the time of the copy.
    """
    content = next((c for c in saved.contents if c.form is Form.PORTABLE), None)
    summary = saved.summary
    shown = {
        ews.DELIVERY_TIME.tag.lower(): summary.received_at,
        ews.SUBMIT_TIME.tag.lower(): "" if summary.is_draft else summary.sent_at,
    }
    return {tag: value for tag, value in shown.items() if value} | (content.properties if content else {})


def message(item: PortableItem, *, with_flags: bool) -> str:
    """Return one message element; the order of its children is the schema's."""
    properties = "".join(
        _PROPERTIES[tag].with_value(value) for tag, value in item.properties.items() if tag in _PROPERTIES
    )
    flag = ews.flag_element(item.marks) if with_flags else ""
    subject = f"<t:Subject>{text(item.subject)}</t:Subject>" if item.subject else ""
    return (
        f"<t:Message><t:MimeContent>{base64.b64encode(item.mime).decode()}</t:MimeContent>"
        f"<t:ItemClass>{text(item.item_class)}</t:ItemClass>{subject}{ews.categories_element(item.marks)}"
        f"<t:Importance>{item.marks.importance}</t:Importance>"
        f"{properties}{ews.STAMP.with_value(item.stamp)}{flag}"
        f"<t:IsRead>{str(item.marks.is_read).lower()}</t:IsRead></t:Message>"
    )


def edited(edit: Edit, *, with_flags: bool) -> str:
    """Return the fields that give an item other content where it is."""
    return _element_fields(edit, with_flags=with_flags) if edit.elements else _mime_fields(edit, with_flags=with_flags)


def fields_of(update: Update, *, with_flags: bool) -> str:
    """Return the fields of a stamp and, where there are any, of marks."""
    fields = [set_field(ews.STAMP.uri, ews.STAMP.with_value(update.stamp), "Message")]
    return "".join(fields + (_mark_fields(update.marks, with_flags=with_flags) if update.marks else []))


def _mime_fields(edit: Edit, *, with_flags: bool) -> str:
    mime = f"<t:MimeContent>{base64.b64encode(edit.mime).decode()}</t:MimeContent>"
    update = Update(item_id=edit.item_id, change_key=edit.change_key, stamp=edit.stamp, marks=edit.marks)
    fields = [_set("item:MimeContent", mime)]
    if edit.subject:
        fields.append(_set("item:Subject", f"<t:Subject>{text(edit.subject)}</t:Subject>"))
    # a server that rebuilds the item from MIME takes its times from there
    times = {tag: value for tag, value in edit.properties.items() if tag in _TIMES}
    fields += [set_field(_PROPERTIES[t].uri, _PROPERTIES[t].with_value(v), "Message") for t, v in times.items()]
    return "".join(fields) + fields_of(update, with_flags=with_flags)


def _element_fields(edit: Edit, *, with_flags: bool) -> str:
    """Return what differs, the stamp, and the marks that such an item has: only a message is read or unread."""
    wanted, marks = unpacked(edit.elements), edit.marks
    fields = updates(wanted, unpacked(edit.present))
    fields.append(set_field(ews.STAMP.uri, ews.STAMP.with_value(edit.stamp), wanted.kind))
    fields.append(_set("item:Importance", f"<t:Importance>{marks.importance}</t:Importance>", wanted.kind))
    fields.append(_set("item:Categories", ews.categories_element(marks), wanted.kind))
    if wanted.kind == "Message":
        fields.append(_is_read(marks))
    if wanted.kind in FLAGGED and with_flags:
        fields.append(_set("item:Flag", ews.flag_element(marks), wanted.kind))
    return "".join(fields)


def _mark_fields(marks: Marks, *, with_flags: bool) -> list[str]:
    fields = [
        _set("item:Importance", f"<t:Importance>{marks.importance}</t:Importance>"),
        _set("item:Categories", ews.categories_element(marks)),
        _is_read(marks),
    ]
    if with_flags:
        fields.append(_set("item:Flag", ews.flag_element(marks)))
    return fields


def _is_read(marks: Marks) -> str:
    return _set("message:IsRead", f"<t:IsRead>{str(marks.is_read).lower()}</t:IsRead>")


def _set(uri: str, element: str, kind: str = "Message") -> str:
    if not element:
        return f'<t:DeleteItemField><t:FieldURI FieldURI="{uri}"/></t:DeleteItemField>'
    return set_field(f'<t:FieldURI FieldURI="{uri}"/>', element, kind)
