"""`config example` and `config check`."""

from pathlib import Path

from click.testing import CliRunner

from deploy.commands.configuration import config


def test_the_example_checks_out_once_its_secrets_are_there(tmp_path: Path) -> None:
    example = CliRunner().invoke(config, ["example"]).output
    file = tmp_path / "mailshadow.toml"
    file.write_text(example)
    (tmp_path / "source.password").write_text("one\n")
    (tmp_path / "standby.password").write_text("two\n")
    done = CliRunner().invoke(config, ["check", "--config", str(file)])
    assert done.exit_code == 0, done.output
    assert "good; 2 mailboxes, targets standby" in done.output


def test_every_line_of_the_example_is_explained_or_plain() -> None:
    example = CliRunner().invoke(config, ["example"]).output
    assert example.count("#") > 20
