#!/usr/bin/env bash
# Runs the official conformance suite of the Model Context Protocol against the server that 'agentbus mcp' is made of, with
# the suite's own fixtures in place of the bus. Any failure of a check that the revision requires is a failure here.
# Needs npm, and the example to be built: cargo build -p agentbus-gateway --example conformance
set -euo pipefail
cd "$(dirname "$0")/.."

revision='2025-11-25'
place="$PWD/target/mcp-conformance"
suite="$place/node_modules/@modelcontextprotocol/conformance/dist/index.js"
node="$place/node_modules/node/bin/node"

# The suite needs a newer Node than many machines have, so it brings its own.
if [ ! -x "$node" ] || [ ! -f "$suite" ]; then
    mkdir -p "$place"
    npm install --prefix "$place" --no-audit --no-fund --loglevel error --foreground-scripts \
        node@22.23.3 @modelcontextprotocol/conformance@0.2.0-alpha.12 >&2
fi

# The server ends when its standard input does, whatever becomes of this script.
coproc SERVER { exec target/debug/examples/conformance 127.0.0.1:0; }
read -r url <&"${SERVER[0]}"

"$node" "$suite" server --url "$url" --requirements "$revision"
