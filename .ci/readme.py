"""Print the nth bash block of README.md, so that CI runs what the README says."""

import re
import sys
from pathlib import Path

text = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
print(blocks[int(sys.argv[1]) - 1], end="")
