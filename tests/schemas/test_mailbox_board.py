from prometheus_client import CollectorRegistry, generate_latest

from schemas import metrics
from schemas.mailbox_board import MailboxBoard

SERIES_OF_A_PROCESS_MAX = 400
"""Whatever the number of mailboxes."""


def samples(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def board(registry: CollectorRegistry, labels: tuple[str, ...] = ()) -> MailboxBoard:
    return MailboxBoard("mailshadow_things", "Things.", labels, registry=registry)


def test_all_mailboxes_are_one_number_for_each_set_of_labels() -> None:
    registry = CollectorRegistry()
    things = board(registry, ("kind",))
    for mailbox, kind, number in (("a", "big", 1), ("b", "big", 2), ("a", "small", 5), ("b", "big", 3)):
        things.labels(mailbox=mailbox, kind=kind).set(number)
    assert samples(registry) == ['mailshadow_things{kind="big"} 4.0', 'mailshadow_things{kind="small"} 5.0']


def test_mailboxes_of_a_partition_that_went_away_count_no_more() -> None:
    registry = CollectorRegistry()
    things = board(registry)
    things.labels(mailbox="a").set(1)
    things.labels(mailbox="b").set(2)
    things.forget(["b", "never seen"])
    assert samples(registry) == ["mailshadow_things 1.0"]
    things.forget(["a"])
    assert samples(registry) == []


def test_ten_thousand_mailboxes_make_no_more_series_than_one() -> None:
    counts = []
    for number in (1, 10_000):
        registry = CollectorRegistry()
        feed, replay = metrics.FeedMetrics(registry), metrics.ReplayMetrics(registry)
        boards = [b for family in (feed, replay) for b in vars(family).values() if isinstance(b, MailboxBoard)]
        assert len(boards) >= 8
        for mailbox in range(number):
            for one in boards:
                one.labels(mailbox=f"{mailbox:020x}", **dict.fromkeys(one._labelnames, "some")).set(mailbox)
        counts.append(len(samples(registry)))
    assert counts[0] == counts[1] <= SERIES_OF_A_PROCESS_MAX


def test_no_metric_of_a_worker_has_a_mailbox_as_its_label() -> None:
    for family in (metrics.SessionMetrics, metrics.PartitionMetrics, metrics.FeedMetrics, metrics.ReplayMetrics):
        for metric in vars(family(CollectorRegistry())).values():
            assert "mailbox" not in metric._labelnames
