"""CPU seconds of empty tasks: as futures of Dask, by Prefect on Dask (prefect-dask), and by Prefect in the flow itself.

    python benchmarks/prefect_task_runner.py --tasks 32

Two worker processes; the second flow on Dask has the imports behind it. Prefect's server is not counted.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from distributed import Client, LocalCluster

from data_contracts.workspace import init_workspace
from pipelines.flows.environment import prefect_environment
from pipelines.flows.server import temporary_server


def empty(number: int) -> int:
    """Do nothing."""
    return number


def main() -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=32)
    n_tasks = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as folder:
        prefect_environment(init_workspace(Path(folder) / "w"))
        with temporary_server():
            _measure(n_tasks)


def _measure(n_tasks: int) -> None:
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect_dask import DaskTaskRunner

    run = task(empty, cache_policy=NO_CACHE)
    with (
        temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}),
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def futures() -> None:
            client.gather([client.submit(abs, number, pure=False) for number in range(n_tasks)])

        # Its address: a cluster itself is pickled with each task, and cannot be.
        @flow(name="on Dask", task_runner=DaskTaskRunner(address=cluster.scheduler_address))
        def on_dask() -> None:
            for future in [run.submit(number) for number in range(n_tasks)]:
                future.result()

        @flow(name="in the flow")
        def in_the_flow() -> None:
            for number in range(n_tasks):
                run(number)

        ways = {"futures": futures, "on Dask": on_dask, "on Dask again": on_dask, "in the flow": in_the_flow}
        for name, way in ways.items():
            before = _cpu(client)
            way()
            print(f"{n_tasks} tasks, {name}: {_cpu(client) - before:.2f} CPU s", flush=True)


def _cpu(client: Client) -> float:
    return time.process_time() + sum(client.run(time.process_time).values())


if __name__ == "__main__":
    main()
