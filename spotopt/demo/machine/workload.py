"""The demo's workload: answers 200 while its machine is the primary, 503 otherwise.

Stands alone: it runs on the simulated machines, with the standard library and nothing of the project.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8080
STARTED = time.time()
ROLE = Path(os.environ["DEMO_ROLE_FILE"])


class Answer(BaseHTTPRequestHandler):
    """Who is asked, and what it takes itself for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The role is read anew each time: hooks change it while we run."""
        role = ROLE.read_text().strip() if ROLE.exists() else "standby"
        body = json.dumps(
            {
                "instance_id": os.environ["INSTANCE_ID"],
                "role": role,
                "up_seconds": time.time() - STARTED,
            }
        ).encode()
        self.send_response(200 if role == "primary" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The probes are many."""


ThreadingHTTPServer((os.environ["PRIVATE_IP"], PORT), Answer).serve_forever()
