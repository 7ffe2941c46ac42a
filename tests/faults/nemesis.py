"""The faults of the matrix: each takes the system and a seeded random, and says whether it found something to hurt."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg
import redis

from app.queue import RING_TASK
from tests.faults.system import System
from tests.system.service import free_port

Fault = Callable[[System, random.Random], bool]


def send(pids: list[int], dice: random.Random, number: signal.Signals = signal.SIGKILL) -> bool:
    if not pids:
        return False
    with suppress(ProcessLookupError):
        os.kill(dice.choice(pids), number)
        return True
    return False


def kill_trainer(system: System, dice: random.Random) -> bool:
    return send(system.trainers(), dice)


def kill_warm_parent(system: System, dice: random.Random) -> bool:
    return send(list(set(system.pids("worker.warm")) - set(system.trainers())), dice)


def kill_celery(system: System, dice: random.Random) -> bool:
    return send(system.pids("worker.celery_main"), dice)


def kill_worker(system: System, dice: random.Random) -> bool:
    return send(system.pids("worker.main"), dice)


def terminate_worker(system: System, dice: random.Random) -> bool:
    """A deploy: SIGTERM, drain, and `descent up` starts the next one."""
    return send(system.pids("worker.main"), dice, signal.SIGTERM)


def freeze(system: System, pids: list[int], seconds: float, dice: random.Random) -> bool:
    """SIGSTOP, and SIGCONT beyond the lease: a zombie that believes it still holds the job."""
    if not pids:
        return False
    pid = dice.choice(pids)

    def thaw() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        system.after(seconds, thaw)
        return True
    return False


def freeze_trainer(system: System, dice: random.Random) -> bool:
    return freeze(system, system.trainers(), dice.uniform(0.5, 2) * system.lease_seconds, dice)


def freeze_celery(system: System, dice: random.Random) -> bool:
    return freeze(system, system.pids("worker.celery_main"), dice.uniform(0.5, 2) * system.lease_seconds, dice)


def stop_postgres_at_once(system: System, dice: random.Random) -> bool:
    """An immediate shutdown (SIGQUIT): no checkpoint, recovery from the log at the next start."""
    postmasters = [pid for pid, command in system.processes().items() if "/postgres " in command and " -D " in command]
    return send(postmasters, dice, signal.SIGQUIT)


def kill_backend(system: System, dice: random.Random) -> bool:
    """`kill -9` of one backend: Postgres throws out all of them and recovers."""
    with suppress(psycopg.Error), psycopg.connect(system.database_url, connect_timeout=5) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        pids = [row[0] for row in connection.execute(query)]
        return send(pids, dice)
    return False


def kill_redis(system: System, dice: random.Random) -> bool:
    return send(system.pids("redis-server"), dice)


def flush_redis(system: System, dice: random.Random) -> bool:
    with suppress(redis.RedisError):
        broker(system).flushall()
        return True
    return False


def ring_a_hundred_times(system: System, dice: random.Random) -> bool:
    """Duplicate, late and unasked-for messages."""
    from celery import Celery

    with suppress(Exception):
        publisher = Celery(broker=system.broker_url)
        publisher.conf.broker_transport_options = {"socket_timeout": 3, "max_retries": 1}
        with publisher.connection_for_write() as connection:
            for _ in range(100):
                publisher.send_task(RING_TASK, queue="cpu", connection=connection, retry=False)
        return True
    return False


def kill_api(system: System, dice: random.Random) -> bool:
    return send(system.pids("uvicorn"), dice)


def flip_a_bit(system: System, dice: random.Random) -> bool:
    """In the newest checkpoint of a running job, whose trainer is then killed: it must fall back to the one before."""
    query = (
        "SELECT c.path FROM job j JOIN checkpoint c ON c.id = j.latest_checkpoint_id WHERE j.status = 'running'"
        " AND (SELECT count(*) FROM checkpoint k WHERE k.job_id = j.id) > 1 ORDER BY j.id"
    )
    with suppress(psycopg.Error, OSError), psycopg.connect(system.database_url, connect_timeout=5) as connection:
        paths = [row[0] for row in connection.execute(query)]
        if not paths:
            return False
        path = dice.choice(paths)
        system.damaged.add(path)
        with open(system.store / path, "r+b") as file:
            position = dice.randrange(file.seek(0, os.SEEK_END))
            file.seek(position)
            byte = file.read(1)[0] ^ 1 << dice.randrange(8)
            file.seek(position)
            file.write(bytes([byte]))
        kill_trainer(system, dice)
        time.sleep(0.05)
        return True
    return False


def broker(system: System) -> redis.Redis:
    return redis.Redis(unix_socket_path=system.broker_url.removeprefix("redis+socket://").split("?")[0])


def lose_host(system: System, dice: random.Random) -> bool:
    """Every process of a host at once, and nobody who starts it again before the others may have noticed."""
    host = dice.choice(system.hosts)
    pids = list(host.processes())
    host.keep_down()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    system.after(dice.uniform(0.2, 1.2) * system.lease_seconds, host.let_up)
    return bool(pids)


def cut_network(system: System, dice: random.Random) -> bool:
    """Between one host and Postgres; the host lives on, and its trainers train."""
    host = dice.choice(system.hosts)
    host.proxy.cut()
    system.after(dice.uniform(0.3, 2) * system.lease_seconds, host.proxy.heal)
    return bool(host.processes())


def stall_network(system: System, dice: random.Random) -> bool:
    """What the host sends arrives late, perhaps after its lease."""
    host = dice.choice(system.hosts)
    host.proxy.stall()
    system.after(dice.uniform(0.3, 2) * system.lease_seconds, host.proxy.heal)
    return bool(host.processes())


def fill_disk(system: System, dice: random.Random) -> bool:
    """To the brim, for a while."""
    if system.disk is None or (ballast := system.disk / "ballast").exists():
        return False
    with ballast.open("wb") as file:
        for _ in range(20):  # others write meanwhile
            found = os.statvfs(system.disk)
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, found.f_bavail * found.f_frsize)
    system.after(dice.uniform(0.5, 2) * system.lease_seconds, lambda: ballast.unlink(missing_ok=True))
    return True


def start_second_dispatcher(system: System, dice: random.Random) -> bool:
    """One more API with a sweeper of its own, for a while, and then its `kill -9`."""
    command = [sys.executable, "-m", "descent", "api", "--port", str(free_port()), "--state", str(system.state)]
    log = (system.state / "second-api.log").open("ab")
    process = subprocess.Popen(command, env=system.environment(), stdout=log, stderr=log)

    def end() -> None:
        process.kill()
        process.wait()
        log.close()

    system.after(dice.uniform(5, 20), end)
    return True


FAULTS: dict[str, Fault] = {
    "kill_trainer": kill_trainer,
    "kill_warm_parent": kill_warm_parent,
    "kill_celery": kill_celery,
    "kill_worker": kill_worker,
    "terminate_worker": terminate_worker,
    "freeze_trainer": freeze_trainer,
    "freeze_celery": freeze_celery,
    "stop_postgres_at_once": stop_postgres_at_once,
    "kill_backend": kill_backend,
    "kill_redis": kill_redis,
    "flush_redis": flush_redis,
    "ring_a_hundred_times": ring_a_hundred_times,
    "kill_api": kill_api,
    "flip_a_bit": flip_a_bit,
    "lose_host": lose_host,
    "cut_network": cut_network,
    "stall_network": stall_network,
    "fill_disk": fill_disk,
    "start_second_dispatcher": start_second_dispatcher,
}

COSTLY = {
    "kill_warm_parent", "kill_celery", "kill_worker", "terminate_worker", "freeze_celery", "lose_host", "kill_api",
    "start_second_dispatcher",
}  # fmt: skip
"""They cost seconds of the processor, or a host's slots for as long, so each falls a quarter as often as the others."""
