"""`python -m edge.proposals FILE`: asks for a proposal, for the agent (`edge.proposals.ask`)."""

import json
import sys
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.identity.https import AskError
from edge.proposals.ask import ForgedError, ask

answer: dict[str, Any]
try:
    answer = {"staged": ask(Path(sys.argv[1]))}
except (AskError, ForgedError, ConfigError, OSError, ValueError) as error:
    answer = {"failed": str(error)}
json.dump(answer, sys.stdout)
