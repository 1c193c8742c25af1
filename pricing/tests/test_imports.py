import subprocess
import sys

from django.conf import settings

SCRIPT = """
import django, sys
django.setup()
import pricing.admin, pricing.collector, pricing.ingest, pricing.queries, pricing.spans, pricing.tasks
print([name for name in ("pandas", "numpy", "sklearn") if name in sys.modules])
"""


def test_nothing_here_makes_a_web_process_load_pandas():
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip().splitlines()[-1] == "[]"
