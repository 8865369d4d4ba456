"""The embedded benchmark: drawn videos and true sentences, in the real datasets' layouts.

`world` says what there is and what is true of it, `language` puts it into words, `drawing` into
pixels, and `writing` chooses scenes and writes the folders; each may import those before it. May
import `datasets` (whose layouts it writes), `files` and the paper's own modules.
"""
