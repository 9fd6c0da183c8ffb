"""The alerts as files: each is proved to fire and to end, and has its place in the runbook."""

import re
import subprocess
from pathlib import Path

import pytest


def alerts(repository: Path) -> list[str]:
    return re.findall(r"- alert: (\w+)", (repository / "deploy" / "prometheus" / "alerts.yaml").read_text())


def test_every_alert_fires_and_ends_as_its_unit_test_says(repository: Path, promtool: str) -> None:
    directory = repository / "deploy" / "prometheus"
    done = subprocess.run(  # noqa: S603
        [promtool, "test", "rules", str(directory / "alerts_test.yaml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    named = set(re.findall(r"- name: (\w+)", (directory / "alerts_test.yaml").read_text()))
    assert {f"Mailshadow{name}" for name in named} == set(alerts(repository))


def test_every_alert_has_its_place_in_the_runbook(repository: Path) -> None:
    rules = (repository / "deploy" / "prometheus" / "alerts.yaml").read_text()
    headings = re.findall(r"^#+ (.+)$", (repository / "deploy" / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
    linked = re.findall(r"runbook: deploy/README\.md#(\S+)", rules)
    assert len(linked) == len(alerts(repository))
    assert set(linked) <= anchors


@pytest.mark.parametrize("name", ["prometheus.yaml"])
def test_the_configuration_to_begin_with_is_valid(repository: Path, promtool: str, name: str) -> None:
    done = subprocess.run(  # noqa: S603
        [promtool, "check", "config", str(repository / "deploy" / "prometheus" / name)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
