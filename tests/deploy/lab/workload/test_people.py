from deploy.lab.workload.people import People


def test_one_seed_makes_the_same_people_and_files() -> None:
    one, other = People(1, ("a@x.test",)), People(1, ("a@x.test",))
    assert one.strangers == other.strangers
    assert [one.file() for _ in range(5)] == [other.file() for _ in range(5)]


def test_owners_keep_their_addresses() -> None:
    assert [p.address for p in People(1, ("a@x.test", "b@x.test")).owners] == ["a@x.test", "b@x.test"]


def test_files_differ_in_kind_and_size() -> None:
    people = People(1, ())
    files = [people.file() for _ in range(40)]
    assert len({file.content_type for file in files}) >= 4
    assert max(len(f.data) for f in files) > 10 * min(len(f.data) for f in files)
