"""Run records as pictures, tables and the results page; answers as an explorer and as a video.

Nothing here trains or measures. May import everything but `jobs`.
"""
