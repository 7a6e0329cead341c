"""Which workers there are: processes of this machine, or those of a cluster."""

from explorer.workers.cluster import Cluster
from explorer.workers.processes import Processes
from explorer.workers.units import Pool

ENGINES = ("joblib", "ray")


def pool_of(jobs: int | None, engine: str = "joblib", address: str | None = None, device: str = "auto") -> Pool | None:
    """The workers asked for; None where none are. ValueError for an unknown engine, and what does not go together."""
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; choose one of: {', '.join(ENGINES)}")
    if jobs is not None and jobs < 1:
        raise ValueError(f"--jobs {jobs} is not at least 1, the number of workers")
    if engine == "ray":
        return Cluster(jobs, address, gpus=1 if str(device).startswith("cuda") else 0)
    if address is not None:
        raise ValueError(f"--address {address} is for --engine ray; joblib's workers are on this machine")
    return None if jobs is None else Processes(jobs)
