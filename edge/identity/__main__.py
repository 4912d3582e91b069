"""`python -m edge.identity DATA_DIR`: asks for the next certificate, for the agent (see
`edge.identity.keeper`). What makes keys takes 20 MiB that the agent else has no use for."""

import json
import sys
from pathlib import Path

from edge.identity.files import IdentityFiles
from edge.identity.hub import HubError
from edge.identity.obtain import renew

try:
    renew(IdentityFiles.of(Path(sys.argv[1])))
except (HubError, OSError, ValueError) as error:
    answer = {"refused": str(error)}
else:
    answer = {}
json.dump(answer, sys.stdout)
