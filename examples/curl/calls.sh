#!/usr/bin/env bash
# The gateway by hand: count, call, stream, and an error. Every answer, errors included, is the Claude API's own shape.
#
#   export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
#   ./calls.sh            all of them; or one: ./calls.sh stream
set -euo pipefail
: "${ANTHROPIC_BASE_URL:?the address of the gateway, without /v1}"
: "${ANTHROPIC_AUTH_TOKEN:?a token of the gateway}"

model=${ANTHROPIC_DEFAULT_MODEL:-claude-haiku-4-5}

# The token goes in by a file that has no name: on the command line every user of the machine could read it.
claude() {
  curl --silent --show-error --max-time 600 \
    --header @<(printf 'authorization: Bearer %s\n' "$ANTHROPIC_AUTH_TOKEN") \
    --header 'anthropic-version: 2023-06-01' \
    --header 'content-type: application/json' \
    --header 'x-plimsoll-feature: curl' \
    "$ANTHROPIC_BASE_URL$1" "${@:2}"
}

# How many tokens a request has. Free of charge.
count() {
  claude /v1/messages/count_tokens --fail-with-body \
    --data '{"model":"'"$model"'","messages":[{"role":"user","content":"When is high water?"}]}'
  echo
}

# A whole message.
call() {
  claude /v1/messages --fail-with-body \
    --data '{"model":"'"$model"'","max_tokens":300,"messages":[{"role":"user","content":"When is high water?"}]}'
  echo
}

# The same as it is written: server-sent events. Without --no-buffer, curl would show them in lumps.
stream() {
  claude /v1/messages --fail-with-body --no-buffer \
    --data '{"model":"'"$model"'","max_tokens":300,"stream":true,"messages":[{"role":"user","content":"When is high water?"}]}'
}

# What a mistake looks like: status, the API's error, and the id of the request to ask about.
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
