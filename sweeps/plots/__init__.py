"""Pictures of results: which one is right for these dimensions and kinds, and how it is drawn.

It knows results files and matplotlib; it decides first (`decide`), and draws then (`draw`).
It never computes points, never writes results, and knows nothing of commands or of HTML.
"""
