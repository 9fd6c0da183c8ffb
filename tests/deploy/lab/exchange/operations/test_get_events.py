from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def subscribe(exchange: Any, *kinds: str, folder: str = "") -> tuple[str, str]:
    where = f'<t:FolderIds><t:DistinguishedFolderId Id="{folder}"/></t:FolderIds>' if folder else ""
    flag = "" if folder else ' SubscribeToAllFolders="true"'
    types = "".join(f"<t:EventType>{kind}</t:EventType>" for kind in kinds)
    answer = exchange.post(
        f"<m:Subscribe><m:PullSubscriptionRequest{flag}>{where}<t:EventTypes>{types}</t:EventTypes>"
        "<t:Timeout>10</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"
    )
    return str(exchange.text(answer, "SubscriptionId")), str(exchange.text(answer, "Watermark"))


def events(exchange: Any, ident: str, watermark: str) -> tuple[list[str], str, Any]:
    answer = exchange.post(
        f"<m:GetEvents><m:SubscriptionId>{ident}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark></m:GetEvents>"
    )
    notification = next(answer.iter(f"{M}Notification"))
    kinds = [str(node.tag).removeprefix(T) for node in notification if str(node.tag).endswith("Event")]
    marks = [node.text for node in notification.iter(f"{T}Watermark")]
    return kinds, str(marks[-1]), notification


def move(exchange: Any, ident: str) -> str:
    answer = exchange.post(
        '<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="junkemail"/></m:ToFolderId>'
        f"<m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:MoveItem>"
    )
    return str(next(answer.iter(f"{T}ItemId")).get("Id"))


def test_a_move_names_the_old_id_and_the_old_folder(exchange: Any) -> None:
    ident = exchange.message(MIME)
    subscription, watermark = subscribe(exchange, "MovedEvent")
    new = move(exchange, ident)
    kinds, watermark, notification = events(exchange, subscription, watermark)
    assert kinds == ["MovedEvent"]
    assert next(notification.iter(f"{T}ItemId")).get("Id") == new
    assert next(notification.iter(f"{T}OldItemId")).get("Id") == ident
    assert next(notification.iter(f"{T}OldParentFolderId")).get("Id") == exchange.folder("inbox")
    assert events(exchange, subscription, watermark)[0] == ["StatusEvent"]


def test_the_same_watermark_gives_the_same_events_again(exchange: Any) -> None:
    subscription, watermark = subscribe(exchange, "CreatedEvent")
    exchange.message(MIME)
    assert (
        events(exchange, subscription, watermark)[0] == events(exchange, subscription, watermark)[0] == ["CreatedEvent"]
    )


def test_more_than_fifty_events_come_in_pages(exchange: Any) -> None:
    subscription, watermark = subscribe(exchange, "CreatedEvent")
    for _ in range(60):
        exchange.message(MIME)
    kinds, watermark, notification = events(exchange, subscription, watermark)
    assert (len(kinds), exchange.text(notification, "MoreEvents")) == (50, "true")
    assert len(events(exchange, subscription, watermark)[0]) == 10


def test_a_soft_deletion_is_a_move_to_the_mailbox_and_a_deletion_to_the_folder(exchange: Any) -> None:
    ident = exchange.message(MIME)
    whole = subscribe(exchange, "MovedEvent", "DeletedEvent")
    inbox = subscribe(exchange, "MovedEvent", "DeletedEvent", folder="inbox")
    exchange.post(
        f'<m:DeleteItem DeleteType="SoftDelete"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:DeleteItem>'
    )
    assert events(exchange, *whole)[0] == ["MovedEvent"]
    assert events(exchange, *inbox)[0] == ["DeletedEvent"]


def test_other_folders_and_mailboxes_are_not_told(exchange: Any) -> None:
    drafts = subscribe(exchange, "CreatedEvent", folder="drafts")
    exchange.message(MIME)
    exchange.message(MIME, exchange.folder("drafts", "b@example.com"))
    assert events(exchange, *drafts)[0] == ["StatusEvent"]


def test_a_foreign_watermark_is_refused(exchange: Any) -> None:
    subscription, _ = subscribe(exchange, "CreatedEvent")
    request = (
        f"<m:GetEvents><m:SubscriptionId>{subscription}</m:SubscriptionId><m:Watermark>AAAA</m:Watermark></m:GetEvents>"
    )
    assert exchange.codes(request) == ["ErrorInvalidWatermark"]
