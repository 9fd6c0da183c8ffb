"""KEDA's objects say only what KEDA knows, and what they say of Kafka is what a replay does.

No package holds KEDA's schemas. Both objects were validated by hand against the CustomResourceDefinitions beside KEDA
2.20.2, unknown fields refused, and against what its Kafka scaler reads; what was learnt there is stated here.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import kubernetes_validate
import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

Manifest = dict[str, Any]
VERSIONS: Final = ("1.31", "1.34")
INTEGERS: Final = {"minReplicaCount", "maxReplicaCount", "pollingInterval"}
SPEC: Final = INTEGERS | {"scaleTargetRef", "triggers", "advanced"}
"""Not `cooldownPeriod`: it counts on the way to 0 replicas only, where we never go."""
TRIGGER: Final = {"type", "metadata", "authenticationRef"}
REQUIRED: Final = {"bootstrapServers", "consumerGroup"}
BOOLEANS: Final = {"allowIdleConsumers", "excludePersistentLag", "limitToPartitionsWithLag", "fullMetadata"}
ENUMERATED: Final = {
    "offsetResetPolicy": {"latest", "earliest"},
    "tls": {"enable", "disable"},
    "sasl": {"none", "plaintext", "scram_sha256", "scram_sha512", "oauthbearer", "gssapi"},
}
NUMBERS: Final = {"lagThreshold", "activationLagThreshold"}
METADATA: Final = REQUIRED | BOOLEANS | ENUMERATED.keys() | NUMBERS | {"topic", "version"}
PARAMETERS: Final = {"username", "password", "ca", "cert", "key", "keyPassword", "sasl", "tls"}


@pytest.fixture(scope="module")
def rendered(kubectl: str, repository: Path) -> list[Manifest]:
    folder = repository / "deploy" / "kubernetes" / "overlays" / "large"
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    return [m for m in yaml.safe_load_all(done.stdout) if m and m["apiVersion"].startswith("keda.sh/")]


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind]
    assert found["apiVersion"] == "keda.sh/v1alpha1"
    return found


@pytest.fixture(scope="module")
def scaled(rendered: list[Manifest]) -> Manifest:
    spec: Manifest = only(rendered, "ScaledObject")["spec"]
    return spec


@pytest.fixture(scope="module")
def metadata(scaled: Manifest) -> Manifest:
    (trigger,) = scaled["triggers"]
    assert trigger.keys() <= TRIGGER
    assert trigger["type"] == "kafka"
    found: Manifest = trigger["metadata"]
    return found


def test_the_object_has_what_is_required_and_nothing_that_is_unknown_or_does_nothing(scaled: Manifest) -> None:
    assert {"scaleTargetRef", "triggers"} <= scaled.keys() <= SPEC
    assert scaled["scaleTargetRef"].keys() == {"name"}
    assert all(type(scaled[name]) is int for name in INTEGERS)
    assert 0 < scaled["minReplicaCount"] <= scaled["maxReplicaCount"]
    assert scaled["advanced"].keys() == {"horizontalPodAutoscalerConfig"}
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"].keys() <= {"behavior", "name"}


def test_the_trigger_says_as_text_what_the_scaler_of_kafka_reads(metadata: Manifest) -> None:
    assert metadata.keys() >= REQUIRED
    assert metadata.keys() <= METADATA
    assert all(type(value) is str for value in metadata.values())
    assert all(metadata[name] in values for name, values in ENUMERATED.items() if name in metadata)
    assert all(metadata[name] in {"true", "false"} for name in BOOLEANS & metadata.keys())
    assert all(int(metadata[name]) > 0 for name in NUMBERS & metadata.keys())


def test_a_partition_nobody_committed_yet_waits_from_the_start_of_the_log_as_a_replay_begins_there(
    metadata: Manifest,
) -> None:
    assert metadata["offsetResetPolicy"] == "earliest"  # `latest`, the default, counts it as one record


def test_the_scaler_gets_the_secrets_its_way_of_signing_in_needs(
    rendered: list[Manifest], scaled: Manifest, metadata: Manifest
) -> None:
    signing_in = only(rendered, "TriggerAuthentication")
    assert signing_in["metadata"]["name"] == scaled["triggers"][0]["authenticationRef"]["name"]
    assert signing_in["spec"].keys() == {"secretTargetRef"}
    given = signing_in["spec"]["secretTargetRef"]
    assert all(one.keys() == {"parameter", "name", "key"} for one in given)
    parameters = {one["parameter"] for one in given}
    assert parameters <= PARAMETERS
    assert metadata["sasl"].startswith("scram")
    assert metadata["tls"] == "enable"
    assert {"username", "password", "ca"} <= parameters


@pytest.mark.parametrize("version", VERSIONS)
def test_the_autoscaler_that_is_made_of_it_is_valid(scaled: Manifest, version: str) -> None:
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa-replay"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", **scaled["scaleTargetRef"]},
            "minReplicas": scaled["minReplicaCount"],
            "maxReplicas": scaled["maxReplicaCount"],
            "behavior": scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        },
    }
    kubernetes_validate.validate(autoscaler, version, strict=True)
