"""From samples to a run record: features, training, inference, scores.

`pipeline` is where to start reading; `trunks` trains the small frozen networks that stand for
Kinetics and ImageNet. May import `benchmark`, `datasets`, `files` and the paper's own modules.
"""
