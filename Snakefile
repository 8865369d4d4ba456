# What `make reproduce` runs: notebooks as jobs, one per method x seed, each with the file that it
# writes as output and the executed notebook as log.
from pathlib import Path

PROFILE = config.get("profile", "toy")
DATASET = config.get("dataset", "toy")
DATA_ROOT = str(config.get("data_root", ""))
SEEDS = range(int(config.get("seeds", 1)))
METHODS = ["baseline", "mrf", "mrf_wbce", "acga"]
# On real data, the same model trained with shuffled sentences shows what the sentence is worth.
CONTROLS = ["acga-shuffled"] if DATASET != "toy" else []

DATA = Path(DATA_ROOT).resolve().name if DATA_ROOT else DATASET
ID = f"{DATA}-{PROFILE}"
SHARED = f"dataset={DATASET} data_root='{Path(DATA_ROOT).resolve() if DATA_ROOT else ''}' profile={PROFILE}"
LOGS = "results/logs"
RUNS = [f"results/runs/{ID}-{method}-s{seed}.json" for method in METHODS + CONTROLS for seed in SEEDS]

wildcard_constraints:
    seed=r"\d+",

# Everything by name, not the page alone: a fresh clone holds the committed page, runs and tables,
# and must still make them all anew from the features on.
rule all:
    input:
        f"results/work/features-{ID}.json",
        RUNS,
        f"results/tables/table3-{ID}.csv",
        f"results/figures/figure4-{ID}.png",
        "results/index.html",

rule features:
    output:
        f"results/work/features-{ID}.json",
    log:
        f"{LOGS}/{ID}-02_feature_extraction.ipynb",
    threads: workflow.cores
    shell:
        "python -m acga_lib.batch 02_feature_extraction {SHARED}"
        " --executed {log} --produces {output} --threads {threads}"

rule train:
    input:
        rules.features.output,
    output:
        f"results/runs/{ID}-{{method}}-s{{seed}}.json",
    log:
        f"{LOGS}/{ID}-04_train-{{method}}-s{{seed}}.ipynb",
    params:
        method=lambda wildcards: wildcards.method.removesuffix("-shuffled"),
        shuffle=lambda wildcards: str(wildcards.method.endswith("-shuffled")).lower(),
    threads: 1
    shell:
        "python -m acga_lib.batch 04_train {SHARED} method={params.method} seed={wildcards.seed}"
        " shuffle_queries={params.shuffle}"
        " --executed {log} --produces {output} --threads {threads}"

rule table3:
    input:
        RUNS,
    output:
        f"results/tables/table3-{ID}.csv",
        f"results/tables/table3-{ID}.md",
    log:
        f"{LOGS}/{ID}-07_table3_ablation.ipynb",
    shell:
        "python -m acga_lib.batch 07_table3_ablation data={DATA} profile={PROFILE}"
        " --executed {log} --produces {output} --threads {threads}"

rule figures:
    input:
        RUNS,
    output:
        f"results/figures/figure1-{ID}.png",
        f"results/figures/figure4-{ID}.png",
        f"results/figures/figure5-{ID}.png",
    log:
        f"{LOGS}/{ID}-08_qualitative_figures.ipynb",
    shell:
        "python -m acga_lib.batch 08_qualitative_figures {SHARED} trained={PROFILE}"
        " --executed {log} --produces {output} --threads {threads}"

rule page:
    input:
        rules.table3.output,
        rules.figures.output,
    output:
        "results/index.html",
    shell:
        "python -m acga_lib.report"
