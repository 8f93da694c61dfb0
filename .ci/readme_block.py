"""Print the n-th fenced bash block of README.md: what CI runs is what README says."""

import pathlib
import re
import sys

readme = pathlib.Path(__file__).parent.parent / "README.md"
blocks = re.findall(r"^```bash\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
print(blocks[int(sys.argv[1]) - 1])
