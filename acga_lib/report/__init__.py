"""Run records as pictures, tables and the results page; nothing here trains or measures.

May import everything but `jobs`.
"""
