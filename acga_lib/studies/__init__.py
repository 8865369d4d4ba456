"""What is measured on trained networks and data: transfer, robustness, ceilings, resources.

May import everything but `report` and `jobs`.
"""
