// Calls the gateway from the browser. The only secret here is a token that lasts minutes and stays in this variable.
let token = null;

const RENEW_BEFORE_MS = 30_000;

/** Returns a token that is valid for a while: the current one, or a new one from the backend. */
async function usableToken() {
  if (token !== null && Date.parse(token.expiresAt) - Date.now() > RENEW_BEFORE_MS) return token;
  const response = await fetch('token', { method: 'POST' });
  if (!response.ok) throw new Error('Your session has no access to Claude.');
  token = await response.json();
  return token;
}

/** Yields the text of a response as it arrives. */
async function* ask(question, signal) {
  const { token: bearer, gateway, model } = await usableToken();
  const response = await fetch(`${gateway}/v1/messages`, {
    method: 'POST',
    signal,
    headers: {
      authorization: `Bearer ${bearer}`,
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model,
      max_tokens: 300,
      stream: true,
      messages: [{ role: 'user', content: question }],
    }),
  });
  if (!response.ok) throw await refusal(response);
  for await (const event of events(response.body)) {
    if (event.type === 'error') throw new Error(event.error.message);
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') yield event.delta.text;
    if (event.type === 'message_stop') return;
  }
  throw new Error('The response was cut off.');
}

/** Turns an error response of the gateway into a message for the visitor. */
async function refusal(response) {
  if (response.status === 401) token = null;
  const { error } = await response.json();
  const wait = response.headers.get('retry-after');
  return new Error(wait === null ? error.message : `${error.message} (try again in ${wait} s)`);
}

/** Parses server-sent events. Each has JSON as its data, and an empty line ends it. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const whole = (text + piece.value).split('\n\n');
      text = whole.pop();
      for (const event of whole) {
        const data = event.split('\n').find((line) => line.startsWith('data:'));
        if (data !== undefined) yield JSON.parse(data.slice('data:'.length));
      }
    }
  } finally {
    await reader.cancel();
  }
}

const form = document.querySelector('form');
const answer = document.querySelector('#answer');
const problem = document.querySelector('#problem');
const stop = document.querySelector('#stop');

form.addEventListener('submit', async (submitted) => {
  submitted.preventDefault();
  const leaving = new AbortController();
  stop.onclick = () => leaving.abort();
  stop.disabled = false;
  answer.setAttribute('aria-busy', 'true');
  answer.textContent = '';
  problem.textContent = '';
  try {
    for await (const text of ask(form.elements.question.value, leaving.signal)) answer.append(text);
  } catch (error) {
    if (!leaving.signal.aborted) problem.textContent = error.message;
  } finally {
    stop.disabled = true;
    answer.setAttribute('aria-busy', 'false');
  }
});
