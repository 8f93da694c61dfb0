"""One module for each command, named as the command is; each has a `command` and its `answer`.

There are as many modules as commands, more than a room has else: none knows another one, so to
read one you open one file.
"""
