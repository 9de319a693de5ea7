"""Asks Claude one question through the gateway. Only the base URL and the token differ from a program that holds a key.

    export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
    python ask.py "When is high water?"
"""

import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ["ANTHROPIC_BASE_URL"],  # the gateway, without /v1
    api_key=os.environ["ANTHROPIC_AUTH_TOKEN"],  # a gateway token: the key stays in the gateway
)


def ask(question: str) -> str:
    message = client.messages.create(
        model=os.environ.get("ANTHROPIC_DEFAULT_MODEL", "claude-haiku-4-5"),
        max_tokens=int(os.environ.get("ANTHROPIC_MAX_TOKENS", "1024")),
        timeout=int(os.environ.get("ANTHROPIC_TIMEOUT_MS", "30000")) / 1000,
        messages=[{"role": "user", "content": question}],
        extra_headers={"x-plimsoll-feature": "ask"},
    )
    print(f"{message.usage.input_tokens} tokens in, {message.usage.output_tokens} out", file=sys.stderr)
    return "".join(block.text for block in message.content if block.type == "text")


if __name__ == "__main__":
    try:
        print(ask(" ".join(sys.argv[1:]) or "When is high water?"))
    except anthropic.APIStatusError as error:
        sys.exit(f"{error.status_code}: {error.message} (request {error.request_id})")
