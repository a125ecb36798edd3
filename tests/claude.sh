#!/bin/sh
# Drives the real Claude Code through the bus: answers, permissions, failures and ends, against a stand-in for its API on
# this machine. Needs npm, python3 and a built agentbus; no key, and nothing of the vendor's API. Not part of .ci/run,
# where a scripted stand-in for the program serves (tests/fixtures/claude).
#
#   tests/claude.sh [VERSION]     of @anthropic-ai/claude-code; default: the newest
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=${TMPDIR:-/tmp}/agentbus-claude-code
npm install --silent --prefix "$place" "@anthropic-ai/claude-code@${1:-latest}" >&2
exec python3 "$here/claude/drive.py" "$here/../target/debug/agentbus" "$place/node_modules/.bin/claude"
