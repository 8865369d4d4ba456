"""Notebooks as jobs, on this machine, a cluster or Colab; `make reproduce`.

May import `files` and the data modules (`config`, `methods`, `published`, `errors`): a command
that plans jobs starts without torch.
"""
