import { wrapped } from '../../src/cli/command.ts';
import type { FiredAlert } from './alerts.ts';

const WIDTH = 80;
const INDENT = ' '.repeat(10);

/** Alerts as they come to whoever is on call, in the order in which they began. */
export function alertLines(alerts: readonly FiredAlert[]): string {
  return alerts.length === 0 ? 'no alert\n' : alerts.map(lines).join('\n');
}

function lines({ name, severity, summary, description, fromMs, untilMs }: FiredAlert): string {
  const over = untilMs === null ? '' : `, over at ${time(untilMs)}`;
  const said = [summary, description].flatMap((text) => wrapped(text, WIDTH - INDENT.length));
  return [`${time(fromMs)}  ${severity.toUpperCase()} ${name}${over}`, ...said.map((line) => INDENT + line), ''].join(
    '\n',
  );
}

function time(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}
