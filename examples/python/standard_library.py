"""Shows everything that claude_client.py can do. It needs no package.

    export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
    python3 standard_library.py "When is high water?"
"""

import os
import sys

from claude_client import Claude, ClaudeError


def main(question: str) -> None:
    claude = Claude(
        os.environ["ANTHROPIC_BASE_URL"],
        os.environ["ANTHROPIC_AUTH_TOKEN"],
        headers={"x-plimsoll-feature": "standard-library"},
    )
    asked = {
        "model": os.environ.get("ANTHROPIC_DEFAULT_MODEL", "claude-haiku-4-5"),
        "messages": [{"role": "user", "content": question}],
    }

    print(f"counted: {claude.count_tokens(**asked)} tokens in")

    message = claude.create(**asked, max_tokens=300)
    usage = message["usage"]
    print(f"whole: {usage['input_tokens']} tokens in, {usage['output_tokens']} out")
    print("".join(block["text"] for block in message["content"] if block["type"] == "text"))

    tokens_out = 0
    for event in claude.stream(**asked, max_tokens=300):
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
            print(event["delta"]["text"], end="", flush=True)
        elif event["type"] == "message_delta":
            tokens_out = event["usage"]["output_tokens"]
    print(f"\nstreamed: {tokens_out} tokens out")

    try:
        claude.create(**{**asked, "messages": []}, max_tokens=300)
    except ClaudeError as error:
        print(f"refused: {error.status} {error.type}")


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or "When is high water?")
    except ClaudeError as error:
        sys.exit(str(error))
