import type { KeyReview, ReviewedKey } from '../organization/key-review.ts';
import type { KeyFinding } from '../organization/key-audit.ts';
import { printable, wrapped } from './command.ts';

const TICKS: Readonly<Record<KeyFinding, string>> = {
  expired: 'expired: delete it',
  expires_soon: 'expires within 30 days: replace it',
  old: 'older than a year: replace it',
  unused: 'not in the report: find out what it is for, or delete it',
  badly_named: 'not named env-service-role: rename it',
  not_watched: 'used by nobody that plimsoll knows: join it with an alias, or find out who uses it',
  no_workspace: 'of no workspace: it reaches all of them',
  other_hint: 'not the key that its alias is used with here: correct --key, or the key in the environment',
};

/** The keys of the organization as a list to tick: those with nothing to look at are done. */
export function reviewLines(review: KeyReview): readonly string[] {
  const { keys, usedSince, readAtMs, doubts, unread } = review;
  const done = keys.filter(({ findings }) => findings.length === 0).length;
  const use = unread === null ? `use was read back to ${usedSince}` : `use could not be read (${unread})`;
  return [
    ...wrapped(`Keys of the organization on ${day(readAtMs)}; ${use}. ${done} of ${keys.length} are in order.`, 80),
    ...keys.flatMap((key) => keyLines(key, unread === null)),
    ...(doubts.length === 0 ? [] : ['', 'Not known', ...doubts.flatMap((doubt) => item('  - ', doubt))]),
  ];
}

function keyLines(
  { key, workspace, ageDays, lastUsed, findings }: ReviewedKey,
  isUseKnown: boolean,
): readonly string[] {
  const expires = key.expiresAtMs === null ? null : `expires ${day(key.expiresAtMs)}`;
  const used = lastUsed === null ? (isUseKnown ? 'not in the report' : null) : `last used ${lastUsed}`;
  const age = ageDays === null ? null : `${ageDays === 1 ? '1 day' : `${ageDays} days`} old`;
  const facts = [key.status, workspace ?? 'all workspaces', age, expires, used].filter((fact) => fact !== null);
  return [
    `[${findings.length === 0 ? 'x' : ' '}] ${printable(key.name)} (${printable(key.id)})`,
    ...item('      ', facts.join(', ')),
    ...findings.flatMap((finding) => item('      - ', TICKS[finding])),
  ];
}

function item(lead: string, text: string): readonly string[] {
  return wrapped(printable(text), 80 - lead.length).map(
    (line, index) => `${index === 0 ? lead : ' '.repeat(lead.length)}${line}`,
  );
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** For programs. What a key's hint shows of it is left out. */
export function reviewJson({ keys, ...review }: KeyReview): object {
  return {
    ...review,
    keys: keys.map(({ key: { hint: _hint, ...key }, ...facts }) => ({ ...key, ...facts })),
  };
}
