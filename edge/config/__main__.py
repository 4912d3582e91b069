"""`python -m edge.config FILE`: reads a configuration for the agent (see `edge.config.apart`)."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.config.load import ConfigError, read

try:
    _, plain = read(Path(sys.argv[1]))
except ConfigError as error:
    answer: dict[str, Any] = {"problems": [asdict(problem) for problem in error.problems]}
else:
    answer = {"plain": plain}
json.dump(answer, sys.stdout)
