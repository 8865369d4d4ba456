"""Bytes in and out, with named errors: videos, images, lists, downloads, records, disk space.

May import the paper's own modules; nothing of the other wings.
"""
