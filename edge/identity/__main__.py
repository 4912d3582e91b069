"""`python -m edge.identity DATA_DIR EST`: asks for the next certificate, for the agent (see
`edge.identity.keeper`). EST: the settings of that name as JSON, or null. What makes keys takes 20
MiB that the agent else has no use for."""

import json
import sys
from pathlib import Path
from typing import Any

from edge.identity import obtain, obtain_est
from edge.identity.est import NotYetError
from edge.identity.files import IdentityFiles
from edge.identity.https import AskError
from edge.identity.settings import EstSettings, IdentitySettings


def renew(files: IdentityFiles, est: EstSettings | None) -> None:
    """Where the certificate in force is from. Raises `AskError`, `OSError`, `ValueError`."""
    held = files.enrolment()
    if held is None:
        raise ValueError(f"{files.folder}: this gateway was never enrolled")
    if held.hub is not None:
        obtain.renew(files, held, held.hub)
    elif est is not None:
        obtain_est.renew(files, held, est)
    else:
        raise AskError(
            "the certificate was got by EST, and the file has no `identity: est:` any more: put it "
            "back, or enrol at the hub (lineside-edge enrol)"
        )


answer: dict[str, Any] = {}
try:
    given = IdentitySettings(est=json.loads(sys.argv[2]))
    renew(IdentityFiles.of(Path(sys.argv[1])), given.est)
except NotYetError as error:
    answer = {"refused": str(error), "wait_s": error.wait_s}
except (AskError, OSError, ValueError) as error:
    answer = {"refused": str(error)}
json.dump(answer, sys.stdout)
