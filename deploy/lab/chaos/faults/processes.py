"""Faults of processes: killed, stopped, starved; Kafka and the servers too."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP
from typing import Final

from deploy.lab.broker.guard import die_with_parent
from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.torn import tear
from deploy.lab.chaos.world import PIPELINE

CRAWL_SECONDS: Final = (0.25, 0.35)
"""How long a crawling process runs, and how long it stands, in turn."""

CLOCK_JUMPS_SECONDS: Final = (-86_400, -3_600, -30, 30, 3_600, 86_400)


@contextlib.contextmanager
def kill(scene: Scene) -> Iterator[Detail]:
    """Kill a service (SIGKILL); it is started again when the fault heals."""
    scene.service.kill()
    yield {}
    scene.service.start()


@contextlib.contextmanager
def kill_wiped(scene: Scene) -> Iterator[Detail]:
    """Kill a service and delete its state directory before it starts again."""
    scene.service.kill()
    scene.service.wipe()
    yield {}
    scene.service.start()


@contextlib.contextmanager
def stop(scene: Scene) -> Iterator[Detail]:
    """Stop a service (SIGSTOP) for the fault's time."""
    service = scene.service
    service.signal(SIGSTOP)
    yield {"seconds": scene.seconds}
    service.signal(SIGCONT)


@contextlib.contextmanager
def crawl(scene: Scene) -> Iterator[Detail]:
    """Let a service stand more than it runs."""
    ended = threading.Event()
    service = scene.service

    def work() -> None:
        while not ended.wait(CRAWL_SECONDS[0]):
            service.signal(SIGSTOP)
            ended.wait(CRAWL_SECONDS[1])
            service.signal(SIGCONT)

    crawling = scene.world.workers.submit(work)
    yield {}
    ended.set()
    crawling.result()


@contextlib.contextmanager
def disk_refuses(scene: Scene) -> Iterator[Detail]:
    """Refuse a service every write beyond 4 KB of a file, as a full disk does.

    The limit goes with the process (prlimit(2), RLIMIT_FSIZE), so one that ends by it starts without it.
    """
    pid = scene.service.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    yield {}
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def rebalance(scene: Scene) -> Iterator[Detail]:
    """Have a further member join and leave, and join and leave, in order or killed."""
    ended = threading.Event()
    spare = scene.service
    turns = 0

    def work() -> None:
        nonlocal turns
        while not ended.is_set():
            spare.start()
            ended.wait(scene.chance.uniform(3.0, 7.0))
            scene.chance.choice((spare.stop, spare.kill))()
            turns += 1
            ended.wait(scene.chance.uniform(0.2, 2.0))

    storming = scene.world.workers.submit(work)
    yield {}
    ended.set()
    storming.result()
    scene.note({"joined_and_left": turns})


@contextlib.contextmanager
def broker_kill(scene: Scene) -> Iterator[Detail]:
    """Kill Kafka (SIGKILL)."""
    broker = scene.world.running_broker()
    broker.kill()
    yield {}
    broker.start()


@contextlib.contextmanager
def broker_torn(scene: Scene) -> Iterator[Detail]:
    """Kill Kafka and leave torn writes at the end of its logs, none of which was acknowledged."""
    broker = scene.world.running_broker()
    broker.kill()
    yield {"torn": tear(broker.log_directory, PIPELINE, scene.chance)}
    broker.start()


@contextlib.contextmanager
def disk_busy(scene: Scene) -> Iterator[Detail]:
    """Keep the disk busy, so that whatever waits for a write to be safe waits long."""
    directory = scene.world.config.parent / "disk-load"
    directory.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "deploy.lab.chaos.disk_load", str(directory)]
    with subprocess.Popen(command, preexec_fn=die_with_parent()) as load:  # noqa: PLW1509, S603 - one prctl call; our own
        yield {}
        load.kill()
    shutil.rmtree(directory)


@contextlib.contextmanager
def clock_jump(scene: Scene) -> Iterator[Detail]:
    """Let the clock of a service jump, to and fro."""
    seconds = scene.chance.choice(CLOCK_JUMPS_SECONDS)
    scene.service.clock.set(seconds)
    yield {"seconds": seconds}
    scene.service.clock.set(0)


@contextlib.contextmanager
def broker_stop(scene: Scene) -> Iterator[Detail]:
    """Stop Kafka (SIGSTOP)."""
    pid = scene.world.running_broker().pid
    os.kill(pid, SIGSTOP)
    yield {"seconds": scene.seconds}
    os.kill(pid, SIGCONT)


@contextlib.contextmanager
def server_kill(scene: Scene) -> Iterator[Detail]:
    """Kill an Exchange server (SIGKILL)."""
    server = scene.world.servers[scene.subject]
    server.kill()
    yield {}
    server.start()


@contextlib.contextmanager
def server_stop(scene: Scene) -> Iterator[Detail]:
    """Stop an Exchange server (SIGSTOP): what was sent to it waits in its sockets, and is done when it wakes up."""
    server = scene.world.servers[scene.subject]
    server.signal(SIGSTOP)
    yield {"seconds": scene.seconds}
    server.signal(SIGCONT)
