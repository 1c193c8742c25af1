"""User data as it comes over the wire."""

from __future__ import annotations

import gzip

from simulator import user_data

from .harness import b64

MIME = """Content-Type: multipart/mixed; boundary="=="
MIME-Version: 1.0

--==
Content-Type: text/cloud-config

#cloud-config
packages: []
--==
Content-Type: text/x-shellscript

#!/bin/sh
echo hi
--==--
"""


def test_base64_is_decoded():
    assert user_data.decode(b64("#!/bin/sh\n")) == b"#!/bin/sh\n"


def test_what_is_no_base64_is_taken_as_it_is():
    assert user_data.decode("#!/bin/sh") == b"#!/bin/sh"


def test_nothing_is_nothing():
    assert user_data.decode(None) == b""
    assert user_data.script(b"") is None


def test_a_script_is_run_as_it_is():
    assert user_data.script(b"#!/usr/bin/env python3\n") == b"#!/usr/bin/env python3\n"


def test_a_gzipped_script_is_unpacked():
    assert user_data.script(gzip.compress(b"#!/bin/sh\n")) == b"#!/bin/sh\n"


def test_broken_gzip_runs_nothing():
    assert user_data.script(gzip.compress(b"#!/bin/sh\n")[:-6]) is None


def test_the_script_of_a_mime_message_is_found():
    found = user_data.script(MIME.encode())
    assert found is not None
    assert found.startswith(b"#!/bin/sh\necho hi")


def test_other_formats_run_nothing():
    assert user_data.script(b"#cloud-config\npackages: []\n") is None
    assert user_data.script(b"just text") is None
