/** What the load asks for. */
export type Kind = 'json' | 'stream';

/** Events of a streamed answer. */
export const EVENTS = 50;

const PARAMS = {
  model: 'claude-haiku-4-5',
  max_tokens: 1_024,
  system: 'You are the harbor master of a small port, and answer in a few words. '.repeat(12),
  messages: [{ role: 'user', content: 'How deep is the harbor?' }],
};

/** A request of 1 KiB. */
export const BODIES: Readonly<Record<Kind, Buffer>> = {
  json: Buffer.from(JSON.stringify(PARAMS)),
  stream: Buffer.from(JSON.stringify({ ...PARAMS, stream: true })),
};

/** A request of so many bytes: a long conversation in many short pieces, each with what makes reading it slow. */
export function largeBody(bytes: number): Buffer {
  const piece = {
    role: 'user',
    content: [{ type: 'text', text: 'The tide says "no", \\ and the pilot: \u00e9t\u00e9. '.repeat(40) }],
  };
  const count = Math.floor(bytes / Buffer.byteLength(JSON.stringify(piece)));
  return Buffer.from(JSON.stringify({ ...PARAMS, messages: Array.from({ length: count }, () => piece) }));
}
