#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cc_net's passes over WET files, by its own modules: CPU seconds of each, user and system.

    PYTHONPATH=CC_NET_CHECKOUT ccnet_passes.py FILE.gz...

"hashes" reads and collects the hashes of all lines, "dedup" reads again and writes what is left as
JSON; both of one process. Exit status 3, and why, if cc_net or what it imports is not there, or it
finds no document: it loses records that name their language.
"""
import gzip
import os
import pathlib
import sys
import tempfile

try:
    from cc_net import dedup, jsonql, process_wet_file
except ImportError as error:
    print(f"cannot be imported: {error}")
    sys.exit(3)


def documents(paths):
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            yield from process_wet_file.parse_warc_file(lines)


def seconds():
    times = os.times()
    return times.user + times.system


def main():
    paths = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        hashes = pathlib.Path(work, "hashes.bin")
        start = seconds()
        n_documents = sum(1 for _ in documents(paths))
        parsed = seconds()
        if not n_documents:
            print("it reads no document of these files")
            sys.exit(3)
        jsonql.run_pipes(dedup.HashesCollector(field="raw_content", output=hashes), inputs=documents(paths))
        hashed = seconds()
        jsonql.run_pipes(dedup.DuplicatesRemover(field="raw_content", hashes_files=[hashes]),
                         inputs=documents(paths), output=pathlib.Path(work, "kept.json.gz"))
        print(f"{n_documents} {parsed - start:.3f} {hashed - parsed:.3f} {seconds() - hashed:.3f}")


if __name__ == "__main__":
    main()
