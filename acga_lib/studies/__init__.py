"""What is measured beyond the paper's tables: transfer, robustness, ceilings, resources.

May import everything but `report` and `jobs`.
"""
