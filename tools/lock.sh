#!/bin/sh
# Make the hash-pinned requirement files anew. Needs uv; writes no index addresses.
set -eu
cd "$(dirname "$0")/.."
lock() { uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header "$@"; }
lock pyproject.toml -o requirements/run.txt
lock pyproject.toml --extra dev -c requirements/run.txt -o requirements/test.txt
lock requirements/build.in -o requirements/build.txt
lock requirements/servers-mcp1.in -o requirements/servers-mcp1.txt
lock requirements/servers-mcp2.in -o requirements/servers-mcp2.txt
lock requirements/servers-model.in -o requirements/servers-model.txt
