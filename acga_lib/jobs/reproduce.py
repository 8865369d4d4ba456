"""`make reproduce`: says what will run and how long it takes, runs the Snakefile, shows a bar."""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean

from tqdm import tqdm

from acga_lib.config import MAX_SEED, PRECISIONS, ROOT, RunConfig, hold_checkout
from acga_lib.errors import ConfigError, DataError, KitError, StorageError
from acga_lib.files.cores import usable_cores
from acga_lib.files.locks import NO_LOCKS, Owner
from acga_lib.files.records import read_json
from acga_lib.files.storage import named_if_full, write_text
from acga_lib.files.terminal import run_command
from acga_lib.parameters import choose, folder

#: Folders of real datasets: A2D Sentences, ReferIt, J-HMDB Sentences.
ROOTS = ("data_root", "referit_root", "jhmdb_root")
TIMINGS = ROOT / "results" / "timings.json"
LOG = ROOT / "results" / "logs" / "reproduce.log"
SETTINGS = ROOT / "results" / "logs" / "reproduce.json"
LOCK = ROOT / "results" / "logs" / "reproduce.lock"


def write_settings(options: argparse.Namespace, path: Path) -> None:
    """Write what the Snakefile is to know.

    A file, since `--config` strips quotes and takes a folder called 2017 for a number.
    """
    names = ("profile", "dataset", *ROOTS, "seeds", "precision")
    write_text(path, json.dumps({name: getattr(options, name) for name in names}) + "\n")


def kind_of_machine() -> str:
    """What decides how long things take: "GPU", or what the processor has instructions for.

    Torch is asked in a process of its own, since nothing here needs it otherwise.
    """
    question = (
        "from acga_lib.experiment.execution import multiplies_bfloat16 as half\n"
        "from acga_lib.experiment.processes import default_device\n"
        "gpu = default_device() == 'cuda'\n"
        "print('GPU' if gpu else 'bfloat16' if half() else 'single precision')"
    )
    asked = subprocess.run([sys.executable, "-c", question], stdout=subprocess.PIPE, text=True)
    if asked.returncode:
        raise KitError("nothing can be trained: what torch says of this machine stands above")
    return asked.stdout.strip()


def snakemake(cores: int, *extra: str) -> list[str]:
    """The command line of one Snakemake call."""
    return [
        sys.executable, "-m", "snakemake", "--cores", str(cores), "--rerun-incomplete",
        "--keep-going", "--nolock", *extra, "--configfile", str(SETTINGS),
    ]  # fmt: skip


def owner_of(lock: Path) -> Path:
    """The file that says who holds a lock."""
    return lock.with_name(lock.name + ".owner")


def only_one(path: Path) -> int:
    """Hold the lock file at path -> its descriptor; KitError while another process holds it.

    Snakemake's own lock outlives a killed run and would have to be removed by hand; the system
    drops this one with its last holder, which is Snakemake itself if this process is killed. Where
    the file system has no such locks, that is said and nobody is locked out.
    """
    owner = owner_of(path)
    with named_if_full(path.parent, "the lock and the log of `make reproduce`"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = Owner.read(owner) or "a process that left no word"
        raise KitError(
            f"`make reproduce` is running in this folder already ({holder}): wait for it, or stop "
            f"that process; {path} is free as soon as it ends"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise StorageError(f"{path}: cannot be locked ({error.strerror})") from error
        print(
            f"{path.parent}: this file system has no locks ({error.strerror}); make sure that no "
            "other `make reproduce` runs in this folder"
        )
    Owner.me().write(owner)
    return lock


def planned_jobs(cores: int, environment: dict[str, str]) -> list[str]:
    """The rules that Snakemake would run, one entry a job."""
    command = snakemake(cores, "--dry-run", "--quiet", "rules")
    dry = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace"
    )
    if dry.returncode:
        raise KitError(f"the workflow cannot be planned:\n{dry.stdout}{dry.stderr}")
    # The statistics stand at the top of the plan and again at its end.
    counts = dict(re.findall(r"^(\w+) +(\d+)$", dry.stdout, flags=re.MULTILINE))
    return [r for r, n in counts.items() if r not in ("total", "all") for _ in range(int(n))]


def known_seconds(path: Path) -> dict[str, dict[str, float]]:
    """The seconds of each rule by data, profile and kind of machine, from earlier runs.

    They only tell how long it may take: what is no such file is said and left out, and is replaced
    when this run ends.
    """
    if not path.exists():
        return {}
    try:
        known = read_json(path)
        sound = all(
            type(seconds) in (int, float) and 0 <= seconds < float("inf")
            for rules in known.values()
            for seconds in rules.values()
        )
    except (DataError, AttributeError):
        sound = False
    if not sound:
        print(f"{path}: damaged, so nothing is known of earlier runs; it will be written anew")
    return known if sound else {}


#: Rules of one job a run.
SIDE_BY_SIDE = {"train", "robustness_of"}


def estimate(jobs: list[str], seconds: dict[str, float], at_once: int) -> float | None:
    """Seconds until all jobs are done, from those of an earlier run; None where one is missing."""
    if any(job not in seconds for job in jobs):
        return None
    many = [seconds[job] for job in jobs if job in SIDE_BY_SIDE]
    alone = sum(seconds[job] for job in jobs) - sum(many)
    return alone + sum(many) / max(min(at_once, len(many)), 1)


def follow(process: subprocess.Popen[str], jobs: int) -> dict[str, list[float]]:
    """Show a bar while Snakemake runs -> the seconds of each job, by name.

    Everything that it prints goes to LOG; the jobs' own one-line reports to the terminal too.
    """
    seconds: dict[str, list[float]] = {}
    assert process.stdout is not None
    with (
        named_if_full(LOG.parent, "the log of `make reproduce`"),
        open(LOG, "w", encoding="utf-8") as log,
        tqdm(total=jobs, unit="job", smoothing=0) as bar,
    ):
        for line in process.stdout:
            log.write(line)
            log.flush()
            finished = re.match(r"done    (\S+) .*\((\d+) s\)", line)
            if finished:
                seconds.setdefault(finished[1], []).append(float(finished[2]))
            if line.startswith(("done ", "FAILED ")):
                bar.write(line.rstrip())
            if steps := re.match(r"(\d+) of \d+ steps", line):
                bar.n = min(int(steps[1]), jobs)  # "all" is a step too
                bar.refresh()
    return seconds


#: What the jobs of each rule call themselves in their last line: most of them a notebook.
NAMES = {
    "features": "02_feature_extraction", "train": "04_train", "table1": "05_table1_comparison",
    "table2": "06_table2_generalization", "table3": "07_table3_ablation",
    "figures": "08_qualitative_figures", "robustness": "10_robustness",
    "robustness_of": "robustness",
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Command line -> exit status."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.jobs.reproduce", description=__doc__)
    parser.add_argument("--profile", default="toy")
    parser.add_argument("--dataset", default="toy")
    for root in ROOTS:
        parser.add_argument(f"--{root.replace('_', '-')}", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--precision", default="profile")
    options = parser.parse_args(arguments)
    return run_command("reproduce", lambda: reproduce(options))


def reproduce(options: argparse.Namespace) -> str:
    """Plan, run and report -> the last line. Raises KitError where a job fails."""
    hold_checkout("the Snakefile and the notebooks")
    cores = usable_cores()
    config = RunConfig(
        method="acga", dataset=options.dataset, profile=options.profile,
        data_root=options.data_root, referit_root=options.referit_root,
    )  # fmt: skip
    for root in ROOTS:
        given = folder(getattr(options, root), root)
        if given and not Path(given).is_dir():
            raise DataError(f"{given}: no such folder; {root.upper()} names the dataset's")
        setattr(options, root, given and str(Path(given).resolve()))  # jobs run in ROOT
    if not 1 <= options.seeds <= MAX_SEED:
        raise ConfigError(f"SEEDS is how many seeds to run, from 1, not {options.seeds}")
    choose("precision", PRECISIONS, options.precision)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    }
    lock = only_one(LOCK)
    write_settings(options, SETTINGS)
    jobs = planned_jobs(cores, environment)
    page = ROOT / "results" / "index.html"
    if not jobs:
        return f"Everything is up to date: open {page.relative_to(ROOT)}"
    known, kind = known_seconds(TIMINGS), kind_of_machine()
    at_once = 1 if kind == "GPU" else cores  # networks that are trained or asked side by side
    key = f"{config.data}-{options.profile}, {kind}"
    expected = estimate(jobs, known.get(key, {}), at_once)
    length = "no earlier run to estimate from" if expected is None else (
        f"about {max(expected / 60, 1):.0f} min on {cores} cores, judging by an earlier run"
    )  # fmt: skip
    print(f"{len(jobs)} jobs on '{config.data}', profile '{options.profile}': {length}", flush=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        snakemake(cores, "--resources", f"device={at_once}"), cwd=ROOT, env=environment,
        encoding="utf-8",
        errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock],
    )  # fmt: skip
    # Killed, this process leaves the lock to Snakemake.
    replace(Owner.me(), process=process.pid).write(owner_of(LOCK))
    seconds = follow(process, len(jobs))
    if process.wait():
        tail = "\n".join(LOG.read_text(encoding="utf-8").splitlines()[-15:])
        raise KitError(
            "a job ended with an error. What is finished stays; the end of "
            f"{LOG.relative_to(ROOT)}:\n{tail}"
        )
    before = known.get(key, {})
    measured = {rule: mean(seconds[name]) for rule, name in NAMES.items() if name in seconds}
    for rule in measured.keys() & SIDE_BY_SIDE:  # a job may only have found what was made before
        measured[rule] = max(measured[rule], before.get(rule, 0.0))
    known[key] = before | measured | {"page": 20.0, "playground": 20.0}
    write_text(TIMINGS, json.dumps(known, indent=1, sort_keys=True) + "\n")
    minutes = (time.perf_counter() - start) / 60
    return f"\nDone in {minutes:.1f} min. Open {page.relative_to(ROOT)}"


if __name__ == "__main__":
    sys.exit(main())
