"""What a data directory remembers."""

import random
from pathlib import Path

import pytest

from deploy.lab.broker.directory import BrokerDirectory, DirectoryError, Node, new_cluster_id
from deploy.lab.broker.properties import BrokerPorts

NODE = Node(
    cluster_id="AAAAAAAAAAAAAAAAAAAAAA",
    ports=BrokerPorts(broker=20_001, controller=20_002),
    is_formatted=True,
)


def test_a_node_is_remembered(tmp_path: Path) -> None:
    directory = BrokerDirectory(tmp_path)
    assert directory.read_node() is None
    directory.write_node(NODE)
    assert directory.read_node() == NODE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cluster_id": "x", "ports": {"broker": 1}}', "{"])
def test_a_damaged_record_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.json").write_text(text)
    with pytest.raises(DirectoryError, match=r"node\.json: not readable"):
        BrokerDirectory(tmp_path).read_node()


def test_a_directory_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match="file/data: cannot hold"):
        BrokerDirectory(tmp_path / "file" / "data").create()


def test_the_last_lines_come_from_both_logs(tmp_path: Path) -> None:
    directory = BrokerDirectory(tmp_path)
    assert directory.last_lines() == ""
    directory.server_log.write_text("".join(f"server {number}\n" for number in range(5_000)))
    directory.console_log.write_text("console\n")
    assert directory.last_lines(2) == "server 4998\nserver 4999\nconsole"


def test_a_cluster_id_is_sixteen_bytes_and_never_looks_like_an_option() -> None:
    chance = random.Random(1)
    ids = {new_cluster_id(chance) for _ in range(500)}
    assert len(ids) == 500
    assert {len(text) for text in ids} == {22}
    assert not any(text.startswith("-") for text in ids)
