"""A stand-in for SLURM's commands on one machine: called by a command's name it does its work.

Jobs start at once. One whose processes are killed as a failing node would kill them is put into the
queue again if it was submitted with --requeue, and is NODE_FAIL otherwise. The folder in the
environment variable STANDIN holds, for each job, its arguments and its state.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "sacct", "srun", "sinfo", "scancel", "scontrol", "sacctmgr", "sshare")


def install(folder: Path) -> None:
    """Write the commands into a folder for the PATH."""
    folder.mkdir()
    for name in COMMANDS:
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        path.chmod(0o755)


def submit(jobs: Path, arguments: list[str]) -> None:
    """Start a job in the background and print its number."""
    number = len(list(jobs.glob("*.arguments"))) + 1
    (jobs / f"{number}.arguments").write_text("\n".join(arguments))
    (jobs / f"{number}.state").write_text("PENDING")
    subprocess.Popen(
        [sys.executable, __file__, "node", str(number)], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(number)


def node(jobs: Path, number: str) -> None:
    """Run a job to its end, and again as often as its node fails, if it may be requeued."""
    arguments = (jobs / f"{number}.arguments").read_text().split("\n")
    script = next(a.removeprefix("--wrap=") for a in arguments if a.startswith("--wrap="))
    log = arguments[arguments.index("--output") + 1].replace("%j", number)
    ends = {0: "COMPLETED", -signal.SIGKILL: "NODE_FAIL"}
    while True:
        (jobs / f"{number}.state").write_text("RUNNING")
        with open(log, "a") as out:
            process = subprocess.Popen(
                ["sh", "-c", f"export NODE=$$; {script}"], start_new_session=True,
                env=os.environ | {"SLURM_JOB_ID": number}, stdout=out, stderr=out,
            )  # fmt: skip
        end = ends.get(process.wait(), "FAILED")
        if end == "NODE_FAIL" and "--requeue" in arguments:
            (jobs / f"{number}.state").write_text("PENDING")
            time.sleep(0.1)
            continue
        (jobs / f"{number}.state").write_text(end)
        return


def main(command: str, *arguments: str) -> None:
    """Do what the command does; those that only ask about accounts and nodes have no answer."""
    jobs = Path(os.environ["STANDIN"])
    if command == "sbatch":
        submit(jobs, list(arguments))
    elif command == "node":
        node(jobs, *arguments)
    elif command == "srun":
        start = next(i for i, word in enumerate(arguments) if not word.startswith("-"))
        os.execvp(arguments[start], arguments[start:])
    elif command == "sacct" and "--name" in arguments:
        for path in jobs.glob("*.state"):
            print(f"{path.stem}|{path.read_text()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
