from pathlib import Path

import hub.orders

SAMPLE = Path(hub.orders.__file__).parent / "sample"
SAMPLE_PLANT = SAMPLE / "plant.yaml"
SAMPLE_DAY = SAMPLE / "day"
SAMPLE_DAY_FILE = SAMPLE_DAY.with_suffix(".yaml")
