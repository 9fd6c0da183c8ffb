"""The behaviours of real servers that are unknown or vary, each as a switch of the simulated one."""

from dataclasses import dataclass, fields


class SwitchError(ValueError):
    """A switch that does not exist, or a value of the wrong kind; the message says which and what is allowed."""


@dataclass(slots=True)
class Switches:
    """Every switch with its default; limits are numbers, the rest is on or off."""

    read_flag_changes_change_key: bool = True
    change_keys_enforced: bool = True
    move_atomic: bool = True
    move_keeps_modified_time: bool = True
    upload_keeps_search_key: bool = False
    upload_update_keeps_named_properties: bool = False
    export_keeps_named_properties: bool = True
    delete_folder_requires_empty: bool = False
    soft_deleted_folder_reachable: bool = False
    read_receipts_sent: bool = True
    sync_newest_first: bool = True
    ignore_list_honoured: bool = True
    calendar_attendant: bool = False
    mime_update_rebuilds_item: bool = False
    delivery_time_kept_for_saved_items: bool = True
    answer_delay_seconds: float = 0.0
    sync_page_items_max: int = 512
    find_count_limit: int = 1000
    subscriptions_max: int = 5000
    message_size_bytes_max: int = 64 * 1024 * 1024
    mailbox_size_bytes_max: int = 100 * 1024 * 1024 * 1024
    request_size_bytes_max: int = 64 * 1024 * 1024

    def assign(self, name: str, value: object) -> None:
        """Set one switch from a JSON value or a command line text; raises `SwitchError`."""
        kinds = {field.name: field.type for field in fields(self)}
        if name not in kinds:
            raise SwitchError(f"switch {name!r} does not exist; known are: {', '.join(sorted(kinds))}")
        setattr(self, name, _convert(name, kinds[name], value))

    def values(self) -> dict[str, bool | int | float]:
        """All switches by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _convert(name: str, kind: object, value: object) -> bool | int | float:
    text = str(value).strip().lower()
    if kind is bool or kind == "bool":
        if text in {"true", "on", "yes", "1"}:
            return True
        if text in {"false", "off", "no", "0"}:
            return False
        raise SwitchError(f"switch {name!r} must be on or off (got {value!r})")
    try:
        number = float(text)
    except ValueError as error:
        raise SwitchError(f"switch {name!r} must be a number (got {value!r})") from error
    if not 0 <= number < float("inf"):
        raise SwitchError(f"switch {name!r} must be a number from 0 (got {value!r})")
    return number if kind is float or kind == "float" else int(number)
