"""The committed runs with weights, for tests of what is made of a network's answers."""

from acga_lib.config import HEADLINE_RUN
from acga_lib.experiment.pipeline import RUNS

#: The record of the run that everything takes unless told otherwise.
HEADLINE = RUNS / f"{HEADLINE_RUN}.json"
#: That of Gavrilyuk et al., a method without attention.
WITHOUT_ATTENTION = RUNS / f"{HEADLINE_RUN.replace('-acga-', '-gavrilyuk-')}.json"
