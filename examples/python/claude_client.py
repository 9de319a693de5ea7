"""A Claude API client that uses only Python's standard library (3.10 or later).

    claude = Claude("http://127.0.0.1:8787", "plk_...")
    message = claude.create(model="claude-haiku-4-5", max_tokens=300, messages=[...])
    for event in claude.stream(model="claude-haiku-4-5", max_tokens=300, messages=[...]):
        ...

The client retries as the API asks: after `retry-after`, or after a wait that doubles, and never if the response says
`x-should-retry: false`. It does not retry a stream that has begun.
"""

from __future__ import annotations

import json
import random
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Callable, Iterator
from urllib.parse import urlsplit

Json = dict[str, Any]

RETRIED = {408, 409, 429, 500, 502, 503, 504, 529}
LONGEST_WAIT_SECONDS = 60.0


class ClaudeError(Exception):
    """An error response from the API or the gateway. `type` is the API's error type, such as rate_limit_error."""

    def __init__(self, status: int, body: Json, headers: dict[str, str]) -> None:
        error = body.get("error") or {}
        self.status = status
        self.type: str = error.get("type", "api_error")
        self.message: str = error.get("message", "no message")
        self.request_id = headers.get("request-id") or body.get("request_id")
        self.retry_after = _seconds(headers)
        self.may_retry = _may_retry(status, headers)
        super().__init__(f"{status} {self.type}: {self.message} (request {self.request_id})")


class Claude:
    """Sends `headers` with every request, for example the labels that the gateway accepts, such as x-plimsoll-feature."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        headers: dict[str, str] | None = None,
        attempts: int = 3,
        timeout_seconds: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = urlsplit(base_url.rstrip("/"))
        self._headers = {
            "authorization": f"Bearer {token}",
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
            **(headers or {}),
        }
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep

    def create(self, **request: Any) -> Json:
        """Returns the complete message."""
        return self._json("/v1/messages", request)

    def count_tokens(self, **request: Any) -> int:
        """Returns the number of input tokens of a request. This is free."""
        return self._json("/v1/messages/count_tokens", request)["input_tokens"]

    def stream(self, **request: Any) -> Iterator[Json]:
        """Yields events as they arrive. Raises ConnectionError if the stream ends without `message_stop`."""
        connection, response = self._answer("/v1/messages", {**request, "stream": True})
        try:
            for event in _events(response):
                if event["type"] == "error":
                    raise ClaudeError(response.status, event, _headers(response))
                yield event
                if event["type"] == "message_stop":
                    return
            raise ConnectionError("the stream ended before the answer did")
        except HTTPException as error:
            raise ConnectionError("the stream ended before the answer did") from error
        finally:
            connection.close()

    def _json(self, path: str, request: Json) -> Json:
        connection, response = self._answer(path, request)
        try:
            return json.load(response)
        finally:
            connection.close()

    def _answer(self, path: str, request: Json) -> tuple[HTTPConnection, HTTPResponse]:
        """Sends until a request succeeds. Each says how many tries came before, so that all of them count as one call."""
        body = json.dumps(request).encode()
        for tries in range(self._attempts):
            last = tries == self._attempts - 1
            try:
                connection, response = self._send(path, body, tries)
            except (OSError, HTTPException):
                if last:
                    raise
                self._sleep(_backoff(tries))
                continue
            if response.status == 200:
                return connection, response
            error = _refusal(response)
            connection.close()
            wait = _backoff(tries) if error.retry_after is None else error.retry_after
            if last or not error.may_retry or wait > LONGEST_WAIT_SECONDS:
                raise error
            self._sleep(wait)
        raise ValueError("attempts: expected 1 or more")

    def _send(self, path: str, body: bytes, tries: int) -> tuple[HTTPConnection, HTTPResponse]:
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout_seconds)
        try:
            headers = {**self._headers, "x-stainless-retry-count": str(tries)}
            connection.request("POST", f"{self._url.path}{path}", body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise


def _events(response: HTTPResponse) -> Iterator[Json]:
    """Parses server-sent events. Each has JSON as its data, and an empty line ends it."""
    data: list[str] = []
    for line in response:
        text = line.decode().rstrip("\r\n")
        if text.startswith("data:"):
            data.append(text.removeprefix("data:").removeprefix(" "))
        elif text == "" and data:
            yield json.loads("\n".join(data))
            data = []


def _refusal(response: HTTPResponse) -> ClaudeError:
    """Reads an error. A load balancer may send a web page instead of JSON: then only the status is known."""
    try:
        body = json.load(response)
    except ValueError:
        body = {}
    return ClaudeError(response.status, body if isinstance(body, dict) else {}, _headers(response))


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _may_retry(status: int, headers: dict[str, str]) -> bool:
    said = headers.get("x-should-retry")
    return status in RETRIED if said is None else said == "true"


def _seconds(headers: dict[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    return None


def _backoff(tries: int) -> float:
    """Returns 50% to 100% of 0.5, 1, 2, … 8 seconds, so that clients refused together do not retry together."""
    return min(8.0, 0.5 * 2**tries) * random.uniform(0.5, 1.0)
