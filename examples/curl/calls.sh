#!/usr/bin/env bash
# Calls the gateway by hand: count, call, stream, and an error. Every response has the Claude API's format, even errors.
#
#   export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
#   ./calls.sh            # runs all four; ./calls.sh stream runs one
set -euo pipefail
: "${ANTHROPIC_BASE_URL:?the address of the gateway, without /v1}"
: "${ANTHROPIC_AUTH_TOKEN:?a token of the gateway}"

model=${ANTHROPIC_DEFAULT_MODEL:-claude-haiku-4-5}

# Passes the token through a file descriptor: every user of the machine can read a command line.
claude() {
  curl --silent --show-error --max-time 600 \
    --header @<(printf 'authorization: Bearer %s\n' "$ANTHROPIC_AUTH_TOKEN") \
    --header 'anthropic-version: 2023-06-01' \
    --header 'content-type: application/json' \
    --header 'x-plimsoll-feature: curl' \
    "$ANTHROPIC_BASE_URL$1" "${@:2}"
}

# Counts the tokens of a request. This is free.
count() {
  claude /v1/messages/count_tokens --fail-with-body \
    --data '{"model":"'"$model"'","messages":[{"role":"user","content":"When is high water?"}]}'
  echo
}

# Creates a message.
call() {
  claude /v1/messages --fail-with-body \
    --data '{"model":"'"$model"'","max_tokens":300,"messages":[{"role":"user","content":"When is high water?"}]}'
  echo
}

# Streams the message as server-sent events. Without --no-buffer, curl would print them in chunks.
stream() {
  claude /v1/messages --fail-with-body --no-buffer \
    --data '{"model":"'"$model"'","max_tokens":300,"stream":true,"messages":[{"role":"user","content":"When is high water?"}]}'
}

# Shows an error: the status, the API's error body, and the request id to quote when you ask about it.
error() {
  claude /v1/messages --write-out '\n%{http_code} %header{request-id}\n' \
    --data '{"model":"'"$model"'","max_tokens":300,"messages":[]}'
}

if [ $# = 0 ]; then set -- count call stream error; fi
for name in "$@"; do
  case $name in
    count | call | stream | error) printf '== %s\n' "$name" && "$name" ;;
    *) printf 'Expected count, call, stream or error, got %s.\n' "$name" >&2 && exit 2 ;;
  esac
done
