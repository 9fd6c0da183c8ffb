from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from deploy.sections import SettingsError
from deploy.settings import load, with_bootstrap_servers

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Configuration


def read(configuration: Configuration, environment: dict[str, str] | None = None) -> Any:
    configuration.write()
    return load(configuration.path, environment or {})


def test_the_example_loads_once_its_secrets_are_there(tmp_path: Path) -> None:
    path = tmp_path / "mailshadow.toml"
    path.write_text(resources.files("deploy").joinpath("example.toml").read_text())
    with pytest.raises(SettingsError, match=r"source\.password_file.*source\.password"):
        load(path, {})
    for name in ("source", "standby"):
        (tmp_path / f"{name}.password").write_text("hidden\n")
    settings = load(path, {})
    assert settings.source.password == settings.targets["standby"].password == "hidden"
    assert settings.targets["standby"].name == "standby"
    assert len(settings.mailboxes) == len(["anna", "ben"])
    assert "hidden" not in repr(settings)


BAD = [
    ("source", "urll", "https://x", r"source\.urll: unknown setting; did you mean url\?"),
    ("feed", "colour", "red", r"feed\.colour: unknown setting; known here: .*poll_interval_seconds"),
    ("sourec", "url", "https://x", r"sourec: unknown setting; did you mean source\?"),
    ("kafka", "partition_count", "two", r"kafka\.partition_count: a whole number is needed \(got 'two'\)"),
    ("kafka", "partition_count", True, r"kafka\.partition_count: a whole number is needed"),
    ("kafka", "partition_count", 1.5, r"kafka\.partition_count: a whole number is needed"),
    ("kafka", "partition_count", 0, r"kafka\.partition_count: must be 1 to 1000 \(got 0\)"),
    ("kafka", "replication_factor", 10, r"kafka\.replication_factor: must be 1 to 9"),
    ("kafka", "client", "ssl", r"kafka\.client: a table is needed"),
    ("feed", "poll_interval_seconds", 0, r"feed\.poll_interval_seconds: must be 0\.1 to 3600"),
    ("feed", "heartbeat_seconds", 601, r"feed\.heartbeat_seconds: must be 0\.1 to 600"),
    ("feed", "metrics_port", 65536, r"feed\.metrics_port: must be 0 to 65535"),
    ("replay", "metrics_port", -1, r"replay\.metrics_port: must be 0 to 65535"),
    ("feed", "streaming", "yes", r"feed\.streaming: bool is needed"),
    ("feed", "forms", "STREAM", r"feed\.forms: a list is needed"),
    ("feed", "forms", ["STREM"], r"feed\.forms\[0\]: must be one of STREAM, PORTABLE.*did you mean STREAM\?"),
    ("feed", "forms", ["STREAM", "ELEMENTS"], r"feed\.forms\[1\]: must be one of STREAM, PORTABLE"),
    ("feed", "forms", [], r"feed\.forms: at least one of STREAM, PORTABLE"),
    ("source", "version", "2007", r"source\.version: must be one of 2010_SP1, 2013, 2016, 2019 \(got '2007'\)"),
    ("targets.standby", "version", "2010_SP1", r"targets\.standby\.version: 2010_SP1 can be a source only"),
    ("source", "auth", "ntml", r"source\.auth: .*did you mean ntlm\?"),
    ("source", "url", "mail.example.com", r"source\.url: must be an http or https address"),
    ("source", "url", 5, r"source\.url: text is needed \(got 5\)"),
    ("source", "password", "", r"source: give exactly one of password, password_file, password_env"),
    ("source", "password_env", "SECRET", r"source: give exactly one of .*\(got \['password', 'password_env'\]\)"),
    ("targets.standby", "hold_seconds", 604_801, r"targets\.standby\.hold_seconds: must be 0 to 604800"),
    ("source", "hold_seconds", 1, r"source\.hold_seconds: unknown setting"),
    ("replay", "breaker_share_max", 1.5, r"replay\.breaker_share_max: must be 0 to 1"),
    ("replay", "breaker_deletions_max", -1, r"replay\.breaker_deletions_max"),
    ("replay", "breaker_window_seconds", 0, r"replay\.breaker_window_seconds"),
    ("replay", "dead_letters_share_max", 2, r"replay\.dead_letters_share_max"),
    ("replay", "dead_letters_window_changes", 0, r"replay\.dead_letters_window_changes"),
    ("replay", "dead_letters_mailboxes_max", 0, r"replay\.dead_letters_mailboxes_max"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), BAD, ids=[f"{s}.{k}={v}" for s, k, v, _ in BAD])
def test_a_bad_value_is_refused_with_its_path_and_what_is_possible(
    configuration: Configuration, section: str, key: str, value: object, message: str
) -> None:
    configuration.sections.setdefault(section, {})[key] = value
    with pytest.raises(SettingsError, match=message):
        read(configuration)


def test_a_timeout_has_a_lower_and_an_upper_limit(configuration: Configuration) -> None:
    configuration.sections["source"]["timeout_seconds"] = -5
    with pytest.raises(SettingsError, match=r"source\.timeout_seconds"):
        read(configuration)


@pytest.mark.parametrize(
    ("section", "key", "name"), [("pipeline", "name", "two words"), ("pipeline", "name", ""), ("source", "name", "a/b")]
)
def test_a_name_that_no_topic_can_have_is_refused(
    configuration: Configuration, section: str, key: str, name: str
) -> None:
    configuration.sections[section][key] = name
    with pytest.raises(SettingsError, match=rf"{section}\.{key}"):
        read(configuration)


@pytest.mark.parametrize(("section", "key"), [("source", "url"), ("source", "user"), ("pipeline", "name")])
def test_a_missing_value_is_named_with_where_to_look(configuration: Configuration, section: str, key: str) -> None:
    del configuration.sections[section][key]
    with pytest.raises(SettingsError, match=rf"{section}\.{key}: missing; see `mailshadow config example`"):
        read(configuration)


def test_a_pipeline_needs_a_target(configuration: Configuration) -> None:
    del configuration.sections["targets.standby"]
    configuration.mailboxes = []
    with pytest.raises(SettingsError, match="targets: missing"):
        read(configuration)
    configuration.sections["targets"] = {}
    with pytest.raises(SettingsError, match="at least one target"):
        read(configuration)


@pytest.mark.parametrize(
    ("mailboxes", "message"),
    [
        ([("anna", "anna@t.test")], r"mailboxes\[0\]: 'anna' is no SMTP address"),
        ([("a@s.test", "a@t.test"), ("A@s.test", "b@t.test")], r"mailboxes\[1\]: source address is used by .*\[0\]"),
        (
            [("a@s.test", "a@t.test"), ("b@s.test", "A@t.test")],
            r"a@s\.test and b@s\.test would both be mirrored",
        ),
    ],
    ids=["no address", "source twice", "target twice"],
)
def test_mailboxes_are_checked_against_each_other(
    configuration: Configuration, mailboxes: list[tuple[str, str]], message: str
) -> None:
    configuration.mailboxes = mailboxes
    with pytest.raises(SettingsError, match=message):
        read(configuration)


def test_a_mailbox_at_an_unknown_target_is_refused_with_the_nearest(configuration: Configuration) -> None:
    configuration.write()
    configuration.path.write_text(configuration.path.read_text().replace("{ standby", "{ standbye"))
    with pytest.raises(SettingsError, match=r"mailboxes\[0\]\.targets\.standbye: .* did you mean standby\?"):
        load(configuration.path, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[pipeline\n", "not TOML"), (b"name = '\xff'", "not UTF-8"), (b"pipeline = 5", r"pipeline: a table")],
    ids=["not TOML", "not UTF-8", "not a table"],
)
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mailshadow.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        load(path, {})


def test_a_missing_file_or_a_directory_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml: there is no such file; `mailshadow config example`"):
        load(tmp_path / "nothing.toml", {})
    with pytest.raises(SettingsError, match="check its rights"):
        load(tmp_path, {})


def test_an_unreadable_file_is_refused(configuration: Configuration) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    configuration.write()
    configuration.path.chmod(0)
    with pytest.raises(SettingsError, match="check its rights"):
        load(configuration.path, {})


def test_the_environment_overrides_with_toml_values_or_plain_text(configuration: Configuration) -> None:
    environment = {
        "MAILSHADOW_KAFKA__BOOTSTRAP_SERVERS": "kafka1:9092,kafka2:9092",
        "MAILSHADOW_KAFKA__PARTITION_COUNT": "7",
        "MAILSHADOW_FEED__FORMS": '["PORTABLE"]',
        "MAILSHADOW_TARGETS__STANDBY__USER": "'other'",
        "MAILSHADOW_CONFIG": "elsewhere.toml",
        "UNRELATED": "1",
    }
    settings = read(configuration, environment)
    assert settings.kafka.bootstrap_servers == "kafka1:9092,kafka2:9092"
    assert settings.kafka.partition_count == 7
    assert settings.feed.forms == ("PORTABLE",)
    assert settings.targets["standby"].user == "other"


def test_an_unknown_override_is_refused_like_an_unknown_key(configuration: Configuration) -> None:
    with pytest.raises(SettingsError, match=r"kafka\.bootstrap: unknown setting; did you mean bootstrap_servers\?"):
        read(configuration, {"MAILSHADOW_KAFKA__BOOTSTRAP": "x"})


def test_an_override_below_a_value_is_refused_by_its_path(configuration: Configuration) -> None:
    with pytest.raises(SettingsError, match="source"):
        read(configuration, {"MAILSHADOW_SOURCE__URL__HOST": "x"})


def test_a_password_comes_from_the_environment(configuration: Configuration) -> None:
    del configuration.sections["source"]["password"]
    configuration.sections["source"]["password_env"] = "SOURCE_SECRET"
    assert read(configuration, {"SOURCE_SECRET": "from outside"}).source.password == "from outside"
    with pytest.raises(SettingsError, match=r"source\.password_env: the variable SOURCE_SECRET is not set"):
        read(configuration, {})


def test_a_password_file_lies_beside_the_settings_and_its_line_end_is_no_secret(configuration: Configuration) -> None:
    del configuration.sections["source"]["password"]
    configuration.sections["source"]["password_file"] = "source.password"
    (configuration.path.parent / "source.password").write_bytes(b"pass word \r\n")
    assert read(configuration).source.password == "pass word "


def test_a_target_maps_mailboxes_by_pattern_and_domain_and_what_is_given_counts_first(
    configuration: Configuration,
) -> None:
    configuration.sections["targets.standby"] |= {"mailboxes": ["*@Source.test"], "domain": "target.test"}
    configuration.mailboxes = [("anna@source.test", "special@target.test"), ("ben@source.test", "")]
    configuration.write()
    text = configuration.path.read_text().replace('targets = { standby = "" }', "")
    configuration.path.write_text(text)
    found = load(configuration.path, {}).mailboxes
    assert [m.targets for m in found] == [{"standby": "special@target.test"}, {"standby": "ben@target.test"}]


def test_two_sources_mapped_into_one_target_mailbox_are_refused(configuration: Configuration) -> None:
    configuration.sections["targets.standby"] |= {"mailboxes": ["*@*"], "domain": "target.test"}
    configuration.mailboxes = [("anna@one.test", "x@target.test"), ("x@other.test", "X@target.test")]
    with pytest.raises(SettingsError, match=r"targets\.standby: anna@one\.test and x@other\.test would both"):
        read(configuration)


def test_a_mailbox_that_no_target_mirrors_is_refused(configuration: Configuration) -> None:
    configuration.write()
    text = configuration.path.read_text().replace('targets = { standby = "anna@target.test" }', "")
    configuration.path.write_text(text)
    with pytest.raises(SettingsError, match=r"mailboxes\[0\]\.targets: missing, and no target's mailboxes match"):
        load(configuration.path, {})


def test_a_started_broker_takes_the_place_of_the_missing_address(configuration: Configuration) -> None:
    settings = read(configuration)
    assert with_bootstrap_servers(settings, "127.0.0.1:1").kafka.bootstrap_servers == "127.0.0.1:1"


def test_text_from_the_environment_stays_text_whatever_it_looks_like(configuration: Configuration) -> None:
    found = read(configuration, {"MAILSHADOW_SOURCE__PASSWORD": "12345", "MAILSHADOW_SOURCE__USER": "true"})
    assert (found.source.password, found.source.user) == ("12345", "true")
    assert read(configuration, {"MAILSHADOW_SOURCE__USER": '"quoted"'}).source.user == "quoted"


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("kafka.sasl", {"mechanism": "SCRAM", "user": "u", "password": "p"}, r"sasl\.mechanism: must be one of PLAIN"),
        ("kafka.sasl", {"mechanism": "PLAIN", "user": "u"}, r"kafka\.sasl: give exactly one of password"),
        ("kafka.sasl", {"mechanism": "OAUTHBEARER", "user": "u", "password": "p"}, r"token_url: needed for OAUTHB"),
        ("kafka.tls", {"ca_file": "nowhere.pem"}, r"kafka\.tls\.ca_file: .*nowhere\.pem can't be read"),
        ("kafka.tls", {"certificate_file": "a.pem"}, r"certificate_file and key_file belong together"),
        ("kafka.schema_registry", {"url": "registry"}, r"schema_registry\.url: must be an http or https"),
        ("kafka", {"min_insync_replicas": 2}, r"min_insync_replicas: must be 0 .* to kafka\.replication_factor"),
        ("source", {"tls_version_min": "1.4"}, r"source\.tls_version_min: must be one of 1\.0, 1\.1, 1\.2, 1\.3"),
        ("metrics", {"user": "prometheus"}, r"metrics: give exactly one of password"),
    ],
)
def test_a_bad_setting_of_security_is_refused_with_its_path(
    configuration: Configuration, section: str, values: dict[str, object], message: str
) -> None:
    configuration.sections.setdefault(section, {}).update(values)
    with pytest.raises(SettingsError, match=message):
        read(configuration)


def test_what_is_said_twice_of_kafkas_security_is_refused(configuration: Configuration) -> None:
    configuration.sections["kafka.tls"] = {}
    configuration.sections["kafka.client"] = {"ssl.ca.location": "/ca.pem"}
    with pytest.raises(SettingsError, match=r"kafka\.client\.ssl\.ca\.location: beside \[kafka\.tls\]"):
        read(configuration)
