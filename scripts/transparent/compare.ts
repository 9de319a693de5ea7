import type { Line } from './trace.ts';

/** The first line of a channel that two runs of a sequence do not share; `null` where one of them has none. */
export interface Difference {
  readonly channel: string;
  readonly what: string;
  readonly plain: string | null;
  readonly decorated: string | null;
}

/** Compares what could be seen of two runs, channel by channel. */
export function differences(plain: readonly Line[], decorated: readonly Line[]): readonly Difference[] {
  const channels = new Set([...plain, ...decorated].map(({ channel }) => channel));
  const of = (lines: readonly Line[], channel: string) => lines.filter((line) => line.channel === channel);
  return [...channels].flatMap((channel) => firstDifference(channel, of(plain, channel), of(decorated, channel)));
}

function firstDifference(channel: string, plain: readonly Line[], decorated: readonly Line[]): readonly Difference[] {
  for (let at = 0; at < Math.max(plain.length, decorated.length); at++) {
    const [left, right] = [plain[at], decorated[at]];
    if (left?.what === right?.what && left?.is === right?.is) continue;
    return [{ channel, what: (left ?? right)?.what ?? '', plain: shown(left, right), decorated: shown(right, left) }];
  }
  return [];
}

/** The line itself, with its name where the other side has another thing there. */
function shown(line: Line | undefined, other: Line | undefined): string | null {
  if (line === undefined) return null;
  return other === undefined || line.what === other.what ? line.is : `${line.what}: ${line.is}`;
}

/**
 * The kind of a difference: where it was seen and what stands on either side, without the particulars. Sequences that
 * differ in the same way share it.
 */
export function kindOf({ channel, what, plain, decorated }: Difference): string {
  const place = channel.replace(/ \d+$/, '');
  return `${place} ${what}: ${firstWord(plain)} → ${firstWord(decorated)}`;
}

function firstWord(text: string | null): string {
  if (text === null) return 'nothing';
  return /^[\w.]+/.exec(text)?.[0] ?? text.slice(0, 1);
}
