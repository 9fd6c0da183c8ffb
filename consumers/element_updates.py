"""The updates that make an item what its elements say, property by property where it is (MS-OXWSCORE). Pure.

Only what differs is named: setting a recurrence again, or attendees, has consequences at a server even where they are
the same. What the newer server does not show any more is deleted, unless an item of its kind can't be without it.
"""

from schemas.element_values import Field, Shown, Value
from schemas.ews import quoted


def updates(wanted: Shown, present: Shown) -> list[str]:
    """Return SetItemField and DeleteItemField elements from `present` to `wanted`, in the order of the table."""
    differing = {f for f, v in wanted.values.items() if v.same != _same(present.values.get(f))}
    groups = {wanted.values[f].element.together for f in differing} - {""}
    sets = [
        set_field(_uri(f), v.markup, wanted.kind)
        for f, v in wanted.values.items()
        if f in differing or v.element.together in groups
    ]
    gone = [f for f, v in present.values.items() if f not in wanted.values and not v.element.is_kept]
    return sets + [f"<t:DeleteItemField>{_uri(f)}</t:DeleteItemField>" for f in gone]


def are_alike(wanted: Shown, present: Shown) -> bool:
    """Tell whether nothing would have to be written to make an item what another one is."""
    return wanted.kind == present.kind and not updates(wanted, present)


def set_field(uri: str, inner: str, kind: str) -> str:
    """Return the SetItemField of a field, given as its element, and what to set in it."""
    return f"<t:SetItemField>{uri}<t:{kind}>{inner}</t:{kind}></t:SetItemField>"


def _uri(field: Field) -> str:
    if field.index:
        return f'<t:IndexedFieldURI FieldURI="{field.uri}" FieldIndex={quoted(field.index)}/>'
    return f'<t:FieldURI FieldURI="{field.uri}"/>'


def _same(value: Value | None) -> str:
    return value.same if value else ""
