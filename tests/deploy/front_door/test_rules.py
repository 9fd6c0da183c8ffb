"""What `[front_door]` refuses, each with the path of the setting."""

import re
from importlib import resources
from pathlib import Path

import pytest

from deploy.front_door.configured import actuators_of
from deploy.sections import SettingsError
from deploy.settings import load

BASE = """
[pipeline]
name = "door"
[source]
name = "mail"
url = "https://mail.test/EWS"
user = "u"
password = "p"
[targets.standby]
url = "https://standby.test/EWS"
user = "u"
password = "p"
mailboxes = ["*@source.test"]
[[mailboxes]]
source = "anna@source.test"
"""
HAPROXY = '[front_door.haproxy]\nsockets = ["a"]\nmap_file = "m"\nbackends = { mail = "x", standby = "y" }\n'
DNS = (
    '[front_door.dns]\nserver = "n"\nzone = "s.test"\nkey_file = "k"\nnames = ["mail.s.test"]\n'
    'addresses = { mail = "192.0.2.1", standby = "192.0.2.2" }\n'
)
AUTODISCOVER = '[front_door.autodiscover]\ncertificate_file = "c"\nkey_file = "k"\n'
COMMAND = '[[front_door.commands]]\nname = "f"\nkind = "source-fence"\ncommand = ["true"]\n'
SMTP = '[front_door.smtp]\nhost = "h"\nsender = "a@b"\n'
BAD = [
    ("[front_door]\news_url = 'x'", r"front_door\.ews_url: must be an http"),
    ("[front_door]\nehs_url = 'x'", r"front_door\.ehs_url: unknown setting; did you mean ews_url"),
    ("[front_door.other_names]\n'a@b' = ['c d']", r"other_names: 'c d' can't be the name"),
    (HAPROXY.replace("standby", "standbi"), r"haproxy\.backends\.standbi: .*did you mean standby"),
    (HAPROXY.replace('"y"', '"x"'), r"haproxy\.backends: each server needs a backend of its own"),
    (HAPROXY.replace('"y"', '"closed"'), r"closed_backend: must not be the backend of a server"),
    (HAPROXY.replace('mail = "x", ', ""), r"haproxy\.backends\.mail: missing"),
    (f"{HAPROXY}leads = 'host'", r"haproxy\.hosts: missing"),
    (f"{HAPROXY}leads = 'hosts'", r"haproxy\.leads: must be one of .*did you mean host"),
    (f"{HAPROXY}activesync_urls = {{ standby = 'u' }}", r"activesync_map_file: missing"),
    (DNS.replace("mail.s.test", "mail.other.test"), r"dns\.names\[0\]: mail\.other\.test is not in the zone"),
    (DNS.replace("192.0.2.2", "host.test"), r"dns\.addresses: all must be of one kind"),
    (f"{DNS}ttl_seconds = 0", r"dns\.ttl_seconds: must be 1 to 86400"),
    (f"{AUTODISCOVER}responders = ['http://a']", r"responders\[0\]: must be an https address"),
    (f"{AUTODISCOVER}urls = {{ mail = 'http://a' }}", r"urls\.mail: must be an https address"),
    (COMMAND.replace("source-fence", "fence"), r"commands\[0\]\.kind: must be one of source-fence, directory"),
    (COMMAND + COMMAND, r"commands\[1\]\.name: f is used already"),
    (COMMAND.replace('["true"]', "[]"), r"commands\[0\]\.command: missing"),
    (f"{COMMAND}steps = ['open']", r"commands\[0\]\.steps: must be one of"),
    (SMTP.replace("a@b", "ab"), r"smtp\.sender: 'ab' is no SMTP address"),
]


def _load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "m.toml"
    path.write_text(BASE + text)
    return load(path, {})


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_wrong_value_is_refused_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        _load(tmp_path, text)


def test_actuators_come_in_the_documented_order_with_files_beside_the_settings(tmp_path: Path) -> None:
    text = "\n[front_door]\news_url = 'https://mail.test/EWS'\n" + HAPROXY + DNS + AUTODISCOVER + COMMAND + SMTP
    text += COMMAND.replace('"f"', '"d"').replace("source-fence", "directory")
    path = tmp_path / "m.toml"
    path.write_text(BASE + text)
    settings = load(path, {})
    assert [a.name.removeprefix("front_door.") for a in actuators_of(settings)] == [
        "commands.d", "autodiscover", "haproxy", "dns", "commands.f", "ews_url", "smtp"
    ]  # fmt: skip
    assert settings.front_door.dns is not None
    assert settings.front_door.dns.key_file == tmp_path / "k"


def test_without_a_front_door_there_is_nothing_to_lead(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(BASE)
    assert actuators_of(load(path, {})) == ()


def test_what_the_example_says_of_the_front_door_is_taken_once_it_is_no_comment(tmp_path: Path) -> None:
    example = resources.files("deploy").joinpath("example.toml").read_text()
    begin = example.index("# [front_door]")
    end = example.index("\n[", begin)
    (tmp_path / "m.toml").write_text(example[:begin] + re.sub(r"(?m)^# ?", "", example[begin:end]) + example[end:])
    for name in ("source", "standby"):
        (tmp_path / f"{name}.password").write_text("hidden\n")
    settings = load(tmp_path / "m.toml", {})
    assert len(actuators_of(settings)) == len(["autodiscover", "haproxy", "dns", "fence", "ews", "smtp"])
