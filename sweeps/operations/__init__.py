"""One module for each command and each public function: run, status, why, accept, ...

They may know all rooms below, and combine them.
They must never print, or know options of the command line.
"""
