from deploy.lab.exchange.calls import Calls


def test_a_call_is_in_flight_from_its_arrival_to_its_end() -> None:
    calls = Calls()
    number, flight = calls.begin(4711, 1.5)
    assert calls.clients() == [{"peer_port": 4711, "since": 1.5, "operation": "(reading)"}]
    calls.named(flight, "CreateItem", 10)
    assert (calls.state()["in_flight"], calls.state()["writing"]) == (1, True)
    calls.answered("CreateItem", 3, 20)
    calls.end(number)
    assert calls.clients() == []
    assert calls.state()["operations"]["CreateItem"] == {
        "calls": 1, "items": 3, "bytes_in": 10, "bytes_out": 20, "in_flight": 0,
    }  # fmt: skip


def test_streaming_is_no_call_in_flight_and_reading_no_write() -> None:
    calls = Calls()
    for operation in ("GetStreamingEvents", "GetItem"):
        calls.named(calls.begin(1, 0.0)[1], operation, 1)
    state = calls.state()
    assert (state["in_flight"], state["streaming"], state["writing"]) == (1, 1, False)


def test_counting_anew_keeps_what_is_under_way() -> None:
    calls = Calls()
    number, flight = calls.begin(1, 0.0)
    calls.named(flight, "GetItem", 1)
    calls.reset()
    assert calls.state()["operations"]["GetItem"]["in_flight"] == 1
    calls.end(number)
    assert calls.state()["operations"]["GetItem"]["in_flight"] == 0


def test_a_call_whose_body_never_came_ends_without_a_count() -> None:
    calls = Calls()
    calls.end(calls.begin(1, 0.0)[0])
    assert calls.state()["operations"] == {}
