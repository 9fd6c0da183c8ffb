"""The monitor: what it tells before it has asked anything by itself."""

import json
import threading
import time
import uuid
from pathlib import Path

from deploy import settings, wiring
from deploy.observation.monitor import Monitor


def test_a_monitor_that_has_just_begun_is_not_blind(kafka: str, tmp_path: Path) -> None:
    path = tmp_path / "mailshadow.toml"
    server = 'url = "http://127.0.0.1:1/EWS/Exchange.asmx"\nuser = "u"\npassword = "p"\nversion = "2019"\n'
    path.write_text(
        f'[pipeline]\nname = "p{uuid.uuid4().hex[:8]}"\ndata_directory = {json.dumps(str(tmp_path))}\n'
        f'[kafka]\nbootstrap_servers = "{kafka}"\npartition_count = 2\n'
        f'[source]\nname = "source"\n{server}[targets.standby]\n{server}'
    )
    loaded = settings.load(path, {})
    wiring.prepare_topics(loaded)
    began, monitor, stop = time.time(), Monitor(loaded), threading.Event()
    told = monitor.registry.get_sample_value("mailshadow_kafka_answered_timestamp_seconds")
    stop.set()
    monitor.run(stop)
    assert began <= (told or 0.0) <= time.time()
