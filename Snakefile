# What `make reproduce` runs: notebooks as jobs, one per method x seed, each with the file that it
# writes as output and the executed notebook as log. Jobs that use the GPU, where there is one, take
# a `device`: `--resources device=1` lets one at a time have it.
from hashlib import sha256
from pathlib import Path
from shutil import copy2

from acga_lib.config import HEADLINE_RUN, PRECISIONS, RunConfig
from acga_lib.errors import ConfigError, DataError
from acga_lib.methods import METHODS
from acga_lib.parameters import choose
from acga_lib.published import TABLE_1, TABLE_2, TABLE_3

KNOWN = ("profile", "dataset", "data_root", "referit_root", "jhmdb_root", "seeds", "precision")
if unknown := sorted(set(config) - set(KNOWN)):
    raise ConfigError(f"nothing here reads '{unknown[0]}'; choose from: {', '.join(KNOWN)}")
PROFILE = config.get("profile", "toy")
DATASET = config.get("dataset", "toy")
PRECISION = config.get("precision", "profile")
choose("precision", PRECISIONS, PRECISION)
SEEDS = range(int(config.get("seeds", 1))) if str(config.get("seeds", 1)).isdecimal() else ()
if not SEEDS:
    raise ConfigError(f"seeds is how many to run, from 1, not {config['seeds']!r}")


def folder(name):
    """A dataset's folder as an absolute path; empty where none is given."""
    given = config.get(name)
    if given is None or given == "":
        return ""
    path = Path(str(given)).expanduser().resolve()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; {name} names the dataset's. {BY_FILE}")
    # To a cluster, Snakemake passes --config on inside double quotes of a shell.
    if set(str(given)) & set("$`\"\\") and name in workflow.config_settings.config:
        raise DataError(f"{path}: a shell would change this name or run it. {BY_FILE}")
    return str(path)


BY_FILE = (
    "Snakemake's --config strips quotes and reads numbers; give an unusual name in a file: "
    "--configfile data.yaml, with a line like `data_root: '/path/to/2017'`"
)
ROOTS = {name: folder(name) for name in ("data_root", "referit_root", "jhmdb_root")}
DATA = RunConfig(
    method="acga", dataset=DATASET, profile=PROFILE, data_root=ROOTS["data_root"],
    referit_root=ROOTS["referit_root"],
).data
ID = f"{DATA}-{PROFILE}"
EMBEDDED = DATASET == "toy"
EVERY = 3  # robustness is measured on every so-many-th test sample


STILLS = EMBEDDED or ROOTS["referit_root"]  # there are still images to train on
ROWS = [name for name, method in METHODS.items() if STILLS or not method.needs_referit]
# The same model trained with shuffled sentences shows what the sentence is worth.
CONTROLS = ["acga-shuffled"]


def runs(names):
    return [f"results/runs/{ID}-{name}-s{seed}.json" for name in names for seed in SEEDS]


def given(*names):
    """The words `name=value` of a job. A function, since Snakemake reads braces in a text.

    Words come to the shell quoted (`:q`), and a job is planned again when they change: a folder of
    the same name is other data.
    """
    values = {
        "dataset": DATASET, "profile": PROFILE, "data": DATA, "trained": PROFILE,
        "precision": PRECISION,
    } | ROOTS
    return lambda wildcards: [f"{name}={values[name]}" for name in names]


RUN = ("dataset", "data_root", "profile")
LOGS = "results/logs"
# Table 2 needs J-HMDB Sentences; robustness needs the lists that only the embedded data have.
TABLES = ["table1", *(["table2"] if EMBEDDED or ROOTS["jhmdb_root"] else []), "table3"]

wildcard_constraints:
    seed=r"\d+",

# Everything by name, not the page alone: a fresh clone holds the committed page, runs and tables,
# and must still make them all anew from the features on.
rule all:
    input:
        f"results/work/features-{ID}.json",
        runs(ROWS + CONTROLS),
        [f"results/tables/{table}-{ID}.csv" for table in TABLES],
        f"results/tables/robustness-{ID}.csv" if EMBEDDED else [],
        f"results/figures/figure4-{ID}.png",
        f"results/tables/summary-{ID}.csv",
        "results/index.html",
        "results/playground.html" if HEADLINE_RUN.startswith(f"{ID}-") else [],

# Snakemake deletes a record before it is made anew. Of a training that nobody wants to repeat for
# that, a copy waits where `train_or_load` looks for one.
onstart:
    for record in [] if EMBEDDED else Path("results/runs").glob(f"{ID}-*.json"):
        spare = Path("results/work") / record.stem / record.name
        if record.with_suffix(".safetensors").is_file() and not spare.exists():
            spare.parent.mkdir(parents=True, exist_ok=True)
            copy2(record, spare)


def lists(wildcards):
    """A hash of the user's own annotation: where a list was corrected, everything is out of date.

    No input, since Snakemake reads braces in a file's name.
    """
    folders = [Path(root) / part for root in ROOTS.values() if root
               for part in ("", "Release", "text_annotations", "data")]
    paths = [path for folder in folders for ext in ("csv", "txt", "json", "p")
             for path in sorted(folder.glob(f"*.{ext}"))]
    return sha256(b"".join(sha256(path.read_bytes()).digest() for path in paths)).hexdigest()


rule features:
    output:
        f"results/work/features-{ID}.json",
    log:
        f"{LOGS}/{ID}-02_feature_extraction.ipynb",
    threads: 64  # or all of --cores, if they are fewer
    params:
        given=given(*RUN, "referit_root", "jhmdb_root"),
        lists=lists,
    resources:
        device=1,
    shell:
        "python -m acga_lib.jobs.batch 02_feature_extraction {params.given:q}"
        " --executed {log:q} --produces {output:q} --threads {threads}"


def before_training(wildcards):
    method = METHODS[wildcards.method.removesuffix("-shuffled")]
    starts = [f"results/runs/{ID}-{name}-s{wildcards.seed}.json" for name in method.needs]
    return [*rules.features.output, *starts]


rule train:
    input:
        before_training,
    output:
        f"results/runs/{ID}-{{method}}-s{{seed}}.json",
    log:
        f"{LOGS}/{ID}-04_train-{{method}}-s{{seed}}.ipynb",
    params:
        given=given(*RUN, "referit_root", "precision"),
        method=lambda wildcards: wildcards.method.removesuffix("-shuffled"),
        shuffle=lambda wildcards: str(wildcards.method.endswith("-shuffled")).lower(),
    threads: 1
    resources:
        device=1,
    shell:
        "python -m acga_lib.jobs.batch 04_train {params.given:q} method={params.method}"
        " seed={wildcards.seed} shuffle_queries={params.shuffle}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

rule table1:
    input:
        runs(ROWS),
    output:
        f"results/tables/table1-{ID}.csv",
        f"results/tables/table1-{ID}.md",
    log:
        f"{LOGS}/{ID}-05_table1_comparison.ipynb",
    params:
        given=given("data", "profile"),
    shell:
        "python -m acga_lib.jobs.batch 05_table1_comparison {params.given:q}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

rule table2:
    input:
        runs([name for name in ROWS if name in TABLE_2.methods]),
    output:
        f"results/tables/table2-{ID}.csv",
        f"results/tables/table2-{ID}.md",
    log:
        f"{LOGS}/{ID}-06_table2_generalization.ipynb",
    params:
        given=given(*RUN, "jhmdb_root"),
    resources:
        device=1,
    shell:
        "python -m acga_lib.jobs.batch 06_table2_generalization {params.given:q}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

rule table3:
    input:
        runs([name for name in ROWS if name in TABLE_3.methods] + CONTROLS),
    output:
        f"results/tables/table3-{ID}.csv",
        f"results/tables/table3-{ID}.md",
    log:
        f"{LOGS}/{ID}-07_table3_ablation.ipynb",
    params:
        given=given("data", "profile"),
    shell:
        "python -m acga_lib.jobs.batch 07_table3_ablation {params.given:q}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

# Runs side by side, each as soon as it is trained; the record itself is kept as long as it fits.
rule robustness_of:
    input:
        f"results/runs/{ID}-{{method}}-s{{seed}}.json",
    output:
        touch(f"results/work/robustness-{ID}-{{method}}-s{{seed}}"),
    params:
        given=given("dataset", "data_root", "profile"),
    threads: 1
    resources:
        device=1,
    shell:
        "OMP_NUM_THREADS={threads} python -m acga_lib.studies.evaluation {params.given:q}"
        " method={wildcards.method} seed={wildcards.seed} every={EVERY}"

rule robustness:
    input:
        [
            f"results/work/robustness-{ID}-{name}-s{seed}"
            for name in ROWS if name in (*TABLE_1.methods, "baseline") for seed in SEEDS
        ],
    output:
        f"results/tables/robustness-{ID}.csv",
        f"results/tables/robustness-{ID}.md",
    log:
        f"{LOGS}/{ID}-10_robustness.ipynb",
    params:
        given=given(*RUN, "trained"),
    resources:
        device=1,
    shell:
        "python -m acga_lib.jobs.batch 10_robustness {params.given:q} every={EVERY}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

rule figures:
    input:
        runs(["acga", "gavrilyuk"]),
    output:
        f"results/figures/figure1-{ID}.png",
        f"results/figures/figure4-{ID}.png",
        f"results/figures/figure5-{ID}.png",
    log:
        f"{LOGS}/{ID}-08_qualitative_figures.ipynb",
    params:
        given=given(*RUN, "trained"),
    resources:
        device=1,
    shell:
        "python -m acga_lib.jobs.batch 08_qualitative_figures {params.given:q}"
        " --executed {log:q} --produces {output:q} --threads {threads}"

rule page:
    input:
        [f"results/tables/{table}-{ID}.csv" for table in TABLES],
        f"results/tables/robustness-{ID}.csv" if EMBEDDED else [],
        rules.figures.output,
    output:
        f"results/tables/summary-{ID}.csv",
        "results/index.html",
    shell:
        "python -m acga_lib.report.page"

rule playground:
    input:
        runs(["acga"])[:1],
    output:
        "results/playground.html",
    shell:
        "python -m acga_lib.report.playground --run {input:q}"
