# What `make reproduce` runs: notebooks as jobs, one per method x seed, each with the file that it
# writes as output and the executed notebook as log.
from pathlib import Path

from acga_lib.methods import METHODS, REFERIT
from acga_lib.published import TABLE_1, TABLE_2, TABLE_3

PROFILE = config.get("profile", "toy")
DATASET = config.get("dataset", "toy")
SEEDS = range(int(config.get("seeds", 1)))
ROOTS = {
    name: str(Path(config[name]).resolve()) if config.get(name) else ""
    for name in ("data_root", "referit_root", "jhmdb_root")
}
DATA = Path(ROOTS["data_root"]).name if ROOTS["data_root"] else DATASET
ID = f"{DATA}-{PROFILE}"
EMBEDDED = DATASET == "toy"


def possible(name):
    """Whether there are data for a method and for those that it starts from."""
    method = METHODS[name]
    still = method.trained_on == REFERIT and not (EMBEDDED or ROOTS["referit_root"])
    return not still and all(possible(other) for other in method.needs)


ROWS = [name for name in METHODS if possible(name)]
# On real data, the same model trained with shuffled sentences shows what the sentence is worth.
CONTROLS = [] if EMBEDDED else ["acga-shuffled"]


def runs(names):
    return [f"results/runs/{ID}-{name}-s{seed}.json" for name in names for seed in SEEDS]


SHARED = f"dataset={DATASET} data_root='{ROOTS['data_root']}' profile={PROFILE}"
REFERIT_ROOT, JHMDB_ROOT = (f"{name}='{ROOTS[name]}'" for name in ("referit_root", "jhmdb_root"))
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
        "results/index.html",

rule features:
    output:
        f"results/work/features-{ID}.json",
    log:
        f"{LOGS}/{ID}-02_feature_extraction.ipynb",
    threads: 64  # or all of --cores, if they are fewer
    shell:
        "python -m acga_lib.jobs.batch 02_feature_extraction {SHARED} {REFERIT_ROOT} {JHMDB_ROOT}"
        " --executed {log} --produces {output} --threads {threads}"


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
        method=lambda wildcards: wildcards.method.removesuffix("-shuffled"),
        shuffle=lambda wildcards: str(wildcards.method.endswith("-shuffled")).lower(),
    threads: 1
    shell:
        "python -m acga_lib.jobs.batch 04_train {SHARED} {REFERIT_ROOT} method={params.method}"
        " seed={wildcards.seed} shuffle_queries={params.shuffle}"
        " --executed {log} --produces {output} --threads {threads}"

rule table1:
    input:
        runs(ROWS),
    output:
        f"results/tables/table1-{ID}.csv",
        f"results/tables/table1-{ID}.md",
    log:
        f"{LOGS}/{ID}-05_table1_comparison.ipynb",
    shell:
        "python -m acga_lib.jobs.batch 05_table1_comparison data={DATA} profile={PROFILE}"
        " --executed {log} --produces {output} --threads {threads}"

rule table2:
    input:
        runs([name for name in ROWS if name in TABLE_2.methods]),
    output:
        f"results/tables/table2-{ID}.csv",
        f"results/tables/table2-{ID}.md",
    log:
        f"{LOGS}/{ID}-06_table2_generalization.ipynb",
    shell:
        "python -m acga_lib.jobs.batch 06_table2_generalization {SHARED} {JHMDB_ROOT}"
        " --executed {log} --produces {output} --threads {threads}"

rule table3:
    input:
        runs([name for name in ROWS if name in TABLE_3.methods] + CONTROLS),
    output:
        f"results/tables/table3-{ID}.csv",
        f"results/tables/table3-{ID}.md",
    log:
        f"{LOGS}/{ID}-07_table3_ablation.ipynb",
    shell:
        "python -m acga_lib.jobs.batch 07_table3_ablation data={DATA} profile={PROFILE}"
        " --executed {log} --produces {output} --threads {threads}"

rule robustness:
    input:
        runs([name for name in ROWS if name in TABLE_1.methods]),
    output:
        f"results/tables/robustness-{ID}.csv",
        f"results/tables/robustness-{ID}.md",
    log:
        f"{LOGS}/{ID}-10_robustness.ipynb",
    shell:
        "python -m acga_lib.jobs.batch 10_robustness {SHARED}"
        " --executed {log} --produces {output} --threads {threads}"

rule figures:
    input:
        runs(["acga", "gavrilyuk"]),
    output:
        f"results/figures/figure1-{ID}.png",
        f"results/figures/figure4-{ID}.png",
        f"results/figures/figure5-{ID}.png",
    log:
        f"{LOGS}/{ID}-08_qualitative_figures.ipynb",
    shell:
        "python -m acga_lib.jobs.batch 08_qualitative_figures {SHARED} trained={PROFILE}"
        " --executed {log} --produces {output} --threads {threads}"

rule page:
    input:
        [f"results/tables/{table}-{ID}.csv" for table in TABLES],
        f"results/tables/robustness-{ID}.csv" if EMBEDDED else [],
        rules.figures.output,
    output:
        "results/index.html",
    shell:
        "python -m acga_lib.report.page"
