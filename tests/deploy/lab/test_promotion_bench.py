"""The promotion benchmark's command; the measuring itself is `make failover`."""

from click.testing import CliRunner

from deploy.cli import mailshadow


def test_it_refuses_more_mailboxes_than_a_machine_holds() -> None:
    done = CliRunner().invoke(mailshadow, ["lab", "promotion", "--mailboxes", "5000"])
    assert done.exit_code == 2
    assert "1<=x<=1000" in done.output
