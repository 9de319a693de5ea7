"""Streams a response through the gateway.

    export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
    python stream.py "When is high water?"
"""

import os
import sys

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ["ANTHROPIC_BASE_URL"],
    api_key=os.environ["ANTHROPIC_AUTH_TOKEN"],
)


def stream(question: str) -> None:
    with client.messages.stream(
        model=os.environ.get("ANTHROPIC_DEFAULT_MODEL", "claude-haiku-4-5"),
        max_tokens=int(os.environ.get("ANTHROPIC_MAX_TOKENS", "1024")),
        messages=[{"role": "user", "content": question}],
        extra_headers={"x-plimsoll-feature": "stream"},
    ) as answer:
        for text in answer.text_stream:
            print(text, end="", flush=True)
        print()
        usage = answer.get_final_message().usage
        print(f"{usage.input_tokens} tokens in, {usage.output_tokens} out", file=sys.stderr)


if __name__ == "__main__":
    stream(" ".join(sys.argv[1:]) or "When is high water?")
