"""Tables of results: tasks by models by seeds, from one TOML file.

- ``spec``: the file, and the cells of the table.
- ``cells``: one cell, a run trained to its end.
- ``runner``: all cells, in parallel.
- ``checks``: what can be checked before the first run.
- ``statistics``: means with intervals over seeds, and comparisons with the best baseline.
- ``report`` and ``curves``: text, Markdown, CSV and pictures, whose figures ``panels`` makes.
"""
