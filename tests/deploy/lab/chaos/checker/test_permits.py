from typing import Any


def test_everything_as_it_should_be_breaks_no_rule(story: Any) -> None:
    story.copied()
    story.edited()
    story.marked_at_source("m2")
    story.holds(story.held("t4", "n2", story.intent("MARK", "t4", "n3")))
    story.marks("n3", "m2", "t4", subject="i1 v2", content="v2")
    story.holds(story.held("t4", "n3"))
    story.applied()
    assert [a for a in story.anomalies() if not a.rule.startswith("stale")] == []


def test_a_move_to_its_place_needs_an_intent_that_names_the_staged_id(story: Any) -> None:
    story.receives()
    story.stages()
    story.holds(story.held("", "", story.intent("PLACE", "another", "n1")))
    story.places()
    story.holds(story.held("t2", "n1"))
    assert "late-write" in story.rules()


def test_a_result_recorded_before_the_call_is_no_intent(story: Any) -> None:
    story.receives()
    story.replay(operation="UploadItems", kind="create", id="t1", folder_id="t-staging", content="v1")
    story.holds(story.held("t2", "n1"))
    story.places()
    assert "no-intent" in story.rules()


def test_a_write_whose_intent_is_closed_comes_too_late(story: Any) -> None:
    story.copied()
    story.marked_at_source("m2")
    story.holds(story.held("t2", "n1", story.intent("MARK", "t2", "n2")))
    story.holds(story.held("t2", "n3"))
    story.marks("n2", "m2")
    assert "late-write" in story.rules()


def test_marks_need_a_new_nonce_in_the_same_call(story: Any) -> None:
    story.copied()
    story.marked_at_source("m2")
    story.holds(story.held("t2", "n1", story.intent("MARK", "t2", "n1")))
    story.marks("n1", "m2")
    assert "nonce-kept" in story.rules()


def test_nothing_is_made_where_users_see_it(story: Any) -> None:
    story.receives()
    story.replay(operation="UploadItems", kind="create", id="t1", folder_id="t-inbox", content="v1")
    assert "visible-before-complete" in story.rules()


def test_nothing_of_ours_is_shown_without_a_stamp(story: Any) -> None:
    story.receives()
    story.stages()
    story.moves("t2", "t1", "t-inbox", stamp="")
    assert "unstamped" in story.rules()


def test_nothing_is_shown_that_the_source_never_had(story: Any) -> None:
    story.stages()
    story.places()
    assert "unknown-item" in story.rules()


def test_content_that_the_source_never_had_is_altered(story: Any) -> None:
    story.receives()
    story.stages(content="half")
    story.places(content="half")
    assert "altered" in story.rules()


def test_what_a_user_made_is_never_touched(story: Any) -> None:
    story.copied()
    story.stranger(operation="CreateItem", kind="create", id="f1", folder_id="t-inbox", subject="own")
    story.replay(operation="DeleteItem", kind="delete", id="f1", folder_id="t-inbox", deletion="hard", stamp="")
    assert "foreign-touched" in story.rules()


def test_a_copy_that_a_user_made_of_ours_is_the_users(story: Any) -> None:
    story.copied()
    story.stranger(
        operation="CopyItem", kind="create", id="f1", folder_id="t-inbox", stamp=f"{story.us}:{story.key}:n1"
    )
    assert story.anomalies() == []
    story.marks("n9", "m2", "f1")
    assert "foreign-touched" in story.rules()


def test_a_deletion_needs_an_intent_that_names_its_id(story: Any) -> None:
    story.copied()
    story.deleted_at_source()
    story.soft_deletes()
    assert "no-intent" in story.rules()


def test_what_is_replaced_is_deleted_by_the_intent_that_names_it(story: Any) -> None:
    story.copied()
    story.edited()
    assert "no-intent" not in story.rules()
    story.drops("t4", "n2")
    assert "no-intent" in story.rules()


def test_the_source_is_never_written(story: Any) -> None:
    story.copied()
    story.user(operation="UpdateItem", kind="mark", id="s1", folder_id="s-inbox", agent="mailshadow", content="v1")
    assert "source-written" in story.rules()
