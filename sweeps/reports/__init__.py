"""One self-contained HTML page about a results file: what it says (`read`), and how it looks.

It knows results files, pictures of them, and HTML. It decides first (`Report`) and renders then.
It never imports an experiment, never computes points, and never asks the network for anything.
"""
