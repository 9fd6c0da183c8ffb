"""The health check of a container: 0 for an answer of 200, 1 and a reason for anything else."""

import pytest
from prometheus_client import CollectorRegistry

from deploy import probe
from deploy.endpoints import Endpoints


@pytest.mark.parametrize(("is_healthy", "code"), [(True, 0), (False, 1)])
def test_a_service_is_as_well_as_it_says(monkeypatch: pytest.MonkeyPatch, is_healthy: bool, code: int) -> None:  # noqa: FBT001
    endpoints = Endpoints(CollectorRegistry(), lambda: is_healthy, lambda: True, 0)
    monkeypatch.setenv("MAILSHADOW_PROBE", f"http://127.0.0.1:{endpoints.port}/healthz")
    assert probe.main() == code
    endpoints.close()


def test_nobody_there_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    monkeypatch.setenv("MAILSHADOW_PROBE", f"http://127.0.0.1:{free_port}/healthz")
    assert probe.main() == 1
    assert str(free_port) in capsys.readouterr().err
