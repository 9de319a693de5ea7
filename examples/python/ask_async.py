"""Asks several questions at once through the gateway, with the asynchronous client.

    export ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_...
    python ask_async.py "When is high water?" "And the next one?"
"""

import asyncio
import os
import sys

import anthropic


async def ask(client: anthropic.AsyncAnthropic, question: str) -> anthropic.types.Message:
    return await client.messages.create(
        model=os.environ.get("ANTHROPIC_DEFAULT_MODEL", "claude-haiku-4-5"),
        max_tokens=int(os.environ.get("ANTHROPIC_MAX_TOKENS", "1024")),
        messages=[{"role": "user", "content": question}],
        extra_headers={"x-plimsoll-feature": "ask"},
    )


async def main(questions: list[str]) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=os.environ["ANTHROPIC_BASE_URL"],
        api_key=os.environ["ANTHROPIC_AUTH_TOKEN"],
    ) as client:
        for message in await asyncio.gather(*(ask(client, question) for question in questions)):
            print("".join(block.text for block in message.content if block.type == "text"))
            print(f"{message.usage.input_tokens} tokens in, {message.usage.output_tokens} out", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["When is high water?"]))
