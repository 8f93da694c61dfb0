"""One module for each command and each public function: run, status, why, accept, ...

They know all rooms below, and join them.
They never print, and never know the words of the command line.
"""
