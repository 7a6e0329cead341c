"""Workers of a Ray cluster: of the one at an address, or of one that is started on this machine for the moment."""

import os
import re
import socket
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import torch

from explorer.workers.requests import Call
from explorer.workers.work import Done, Told, work

ANSWERS = 5.0  # seconds for a cluster to answer; Ray itself tries for minutes
DEATHS = 3  # times that a unit is computed again whose worker died
INSTALL = "pip install -r explorer/requirements-ray.txt"


class Cluster:
    """Workers on every core of a cluster, or `jobs` of them; one thread each, and each a GPU where that is asked for.

    Without an address, Ray is started here with so many workers, which share this machine's cores.
    """

    def __init__(self, jobs: int | None, address: str | None, gpus: int = 0) -> None:
        self.jobs, self.address, self.gpus = jobs, address, gpus
        cores = torch.get_num_threads()
        self.threads = 1 if address else max(1, cores // (jobs or cores))
        self.log: list[Told] = []

    def run(self, calls: Sequence[Call]) -> Generator[tuple[int, Done], None, None]:
        """See units.Pool."""
        if not calls:
            return
        ray = _ray()
        try:
            self._connect(ray)
            yield from self._finished(ray, calls)
        except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as error:
            raise ValueError(
                "the cluster's object store and the disk behind it are full; look at fewer images with --limit, or "
                "start Ray with a larger --object-store-memory (what is finished is kept)"
            ) from error
        except ray.exceptions.WorkerCrashedError as error:
            raise ValueError(
                f"a worker died {DEATHS + 1} times on the same unit, as it does where memory runs out; start Ray with "
                "fewer --num-cpus (what is finished is kept)"
            ) from error
        except ray.exceptions.RayTaskError as error:
            raise _cause_of(error) from error
        except ray.exceptions.RayError as error:
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise ValueError(f"the cluster failed: {first} (what is finished is kept)") from error
        finally:
            ray.shutdown()

    def _connect(self, ray: Any) -> None:
        quiet = {"logging_level": "error", "log_to_driver": False, "include_dashboard": False}
        if self.address is None:
            ray.init(num_cpus=self.jobs or torch.get_num_threads(), num_gpus=self.gpus or None, **quiet)
            return
        check_answers(self.address)
        try:
            ray.init(address=self.address, logging_level="error", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:  # such as of another version of Ray or Python
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"the cluster at {self.address} cannot be joined ({reason}); it may ask for its token: set "
                "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what `ray get-auth-token` prints there"
            ) from error

    def _finished(self, ray: Any, calls: Sequence[Call]) -> Generator[tuple[int, Done], None, None]:
        """What the calls give, as they finish; two for each worker are under way."""
        check_room(ray.nodes(), calls)
        remote = ray.remote(num_cpus=1, num_gpus=1 if self.gpus else 0, max_retries=DEATHS)(work)
        most = self.jobs if self.jobs and self.address else 2 * int(ray.cluster_resources().get("CPU", 1))
        travelling: dict[int, Any] = {}  # by the array's id: each travels once to each machine
        waiting = list(enumerate(calls))[::-1]
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    place, call = waiting.pop()
                    for array in call.arrays:
                        if id(array) not in travelling:
                            travelling[id(array)] = ray.put(array)
                    running[remote.remote(call.request, self.threads, *(travelling[id(a)] for a in call.arrays))] = (
                        place
                    )
                for reference in ray.wait(list(running))[0]:
                    yield running.pop(reference), ray.get(reference)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def check_room(nodes: Sequence[Mapping[str, Any]], calls: Sequence[Call]) -> None:
    """ValueError where a unit's weights and images do not fit into a machine's object store: it would wait for ever."""
    stores = [node["Resources"].get("object_store_memory", 0) for node in nodes if node["Alive"]]
    room, need = min(stores), max(sum(array.nbytes for array in call.arrays) for call in calls)
    if need > room:
        raise ValueError(
            f"a unit needs {need / 1e6:,.0f} MB in the object store of its machine, and the smallest has "
            f"{room / 1e6:,.0f} MB; start Ray with a larger --object-store-memory, or look at fewer images with --limit"
        )


def check_answers(address: str) -> None:
    """ValueError unless somebody answers there; `auto` is a cluster of which this machine is a part."""
    if address == "auto":
        return
    match = re.fullmatch(r"(?:ray://)?([^:/]+):(\d{1,5})", address)
    if not match:
        raise ValueError(f"--address {address!r} is not HOST:PORT, such as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((match[1], int(match[2])), ANSWERS).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"no cluster answers at {address} ({error}); start one there with `ray start --head`, or mend the address"
        ) from error


def _ray() -> Any:
    """Ray, imported when it is asked for."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ValueError(f"--engine ray needs Ray, which is not installed here: {INSTALL}") from error
    return ray


def _cause_of(error: Any) -> Exception:
    """What a worker raised, as it would have been raised here."""
    cause = error.cause
    if isinstance(cause, ModuleNotFoundError):
        return ValueError(
            f"a worker lacks the module {cause.name!r}; install there what is installed here, and start Ray in the "
            "project's folder"
        )
    return cause if isinstance(cause, Exception) else ValueError(" ".join(str(error).split())[-300:])
