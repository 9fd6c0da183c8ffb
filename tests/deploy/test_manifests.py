"""Manifests and compose files: valid for two versions of Kubernetes, and every option and setting in them exists."""

from __future__ import annotations

import configparser
import subprocess
from typing import TYPE_CHECKING, Any

import click
import kubernetes_validate
import pytest
import yaml

from deploy import exit_codes, wiring
from deploy.cli import mailshadow
from deploy.settings import ENVIRONMENT_PREFIX, load
from schemas.topics import Topics

if TYPE_CHECKING:
    from pathlib import Path

OVERLAYS = ("small", "large")
VERSIONS = ("1.31", "1.34")
OF_OTHERS = {"ScaledObject", "TriggerAuthentication"}
"""KEDA's own kinds, whose schemas no package holds: `test_scaling.py` states what is known of them."""
SECRETS = ("kafka-ca.pem", "kafka.password", "source.password", "standby.password", "metrics.password")
NO_SETTINGS = {"MAILSHADOW_CONFIG", "MAILSHADOW_PROBE"}
Manifest = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, kubectl: str, repository: Path) -> list[Manifest]:
    folder = repository / "deploy" / "kubernetes" / "overlays" / request.param
    rendered = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    return [m for m in yaml.safe_load_all(rendered.stdout) if m]


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((repository / "deploy" / "compose.yaml").read_text())
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind]


def require_command(arguments: list[str]) -> None:
    """Fail unless the program takes these arguments."""
    command: Any = mailshadow.get_command(click.Context(mailshadow), arguments[0])
    assert command is not None, f"there is no command {arguments[0]}"
    known = {option for p in command.params for option in p.opts}
    given = {a.split("=")[0] for a in arguments[1:] if a.startswith("--")}
    assert given <= known, f"{arguments[0]} has no {given - known}"


def require_setting(path: Path, variable: str, value: str) -> None:
    """Fail unless a variable sets something the program knows: an unknown key is refused by `load`."""
    if variable.startswith(ENVIRONMENT_PREFIX) and variable not in NO_SETTINGS:
        load(path, {variable: value})


@pytest.fixture
def settings_path(manifests: list[Manifest], tmp_path: Path) -> Path:
    """The settings of the ConfigMap in a directory with the files of the Secret, as a pod sees them."""
    (config,) = of_kind(manifests, "ConfigMap")
    for name in SECRETS:
        (tmp_path / name).write_text("one\n")
    path = tmp_path / "mailshadow.toml"
    path.write_text(config["data"]["mailshadow.toml"])
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        if manifest["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_settings_of_the_pods_are_good_and_every_file_they_name_is_in_the_secret(settings_path: Path) -> None:
    settings = load(settings_path, {})
    assert settings.metrics.user == "prometheus"


def test_every_option_and_variable_of_the_pods_exists_and_ports_are_those_of_the_settings(
    manifests: list[Manifest], settings_path: Path
) -> None:
    settings = load(settings_path, {})
    ports = {"feed": settings.feed.metrics_port, "replay": settings.replay.metrics_port}
    for deployment in of_kind(manifests, "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        require_command(container["args"])
        for variable in container["env"]:
            require_setting(settings_path, variable["name"], variable["value"])
        assert container["ports"][0]["containerPort"] == ports[container["name"]]
        probes = {container[p]["httpGet"]["path"] for p in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert probes == {"/healthz", "/readyz"}


def test_pods_have_no_rights_and_a_read_only_root(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        context = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_there_is_time_to_drain_and_one_pod_at_a_time_is_taken(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 30
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    budgets = of_kind(manifests, "PodDisruptionBudget")
    assert {b["metadata"]["name"]: b["spec"]["maxUnavailable"] for b in budgets} == {"feed": 1, "replay": 1}


def test_replays_are_added_by_lag_up_to_the_partitions_and_nobody_else_counts_them(
    manifests: list[Manifest], settings_path: Path
) -> None:
    settings = load(settings_path, {})
    topics = Topics(settings.pipeline.name, settings.source.name)
    for scaled in of_kind(manifests, "ScaledObject"):
        (trigger,) = scaled["spec"]["triggers"]
        assert scaled["spec"]["maxReplicaCount"] == settings.kafka.partition_count
        assert trigger["metadata"]["topic"] == topics.changes
        assert trigger["metadata"]["consumerGroup"] == topics.replay_group("standby")
        assert trigger["metadata"]["bootstrapServers"] == settings.kafka.bootstrap_servers
        named = scaled["spec"]["scaleTargetRef"]["name"]
        (deployment,) = [d for d in of_kind(manifests, "Deployment") if d["metadata"]["name"] == named]
        assert "replicas" not in deployment["spec"]


def test_every_service_of_compose_has_a_health_check_and_ours_have_no_rights(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        if "mailshadow" in service["image"]:
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ["feed", "replay"])
def test_every_option_in_compose_exists(compose: dict[str, Any], name: str) -> None:
    require_command(compose["services"][name]["command"])


@pytest.mark.parametrize("name", ["mailshadow-feed.service", "mailshadow-replay@.service"])
def test_the_units_start_what_exists_and_do_not_try_again_what_a_person_must_mend(repository: Path, name: str) -> None:
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # names have capitals
    unit.read_string((repository / "deploy" / "systemd" / name).read_text())
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert program.endswith("/mailshadow")
    require_command(arguments)
    codes = {int(code) for code in unit["Service"]["RestartPreventExitStatus"].split()}
    assert codes == {exit_codes.NOT_ALLOWED, exit_codes.SETTINGS, exit_codes.HALTED}


def test_the_settings_of_the_composed_lab_are_good(repository: Path) -> None:
    settings = load(repository / "deploy" / "compose" / "lab.toml", {})
    assert wiring.topics_of(settings) == Topics("lab", "source")


def test_an_image_holds_only_what_is_locked_for_everything(repository: Path) -> None:
    def pinned(name: str) -> set[str]:
        lines = (repository / name).read_text().splitlines()
        return {line.split()[0] for line in lines if line[:1].isalnum()}

    assert pinned("deploy/image.lock") < pinned("deploy/lab-image.lock") < pinned("requirements.lock")
