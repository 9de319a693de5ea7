import { usd } from '../check/answer-steps.ts';
import type { CheckReport, Step } from '../check/report.ts';
import { wrapped } from './wrapped.ts';

const WIDTH = 80;
const SIGNS = { ok: 'ok', warned: 'warn', failed: 'FAIL', skipped: 'skip' } as const;

/** A step as it is shown when it ends. */
export function stepLines({ name, status, durationMs, text }: Step): readonly string[] {
  const begin = `${SIGNS[status].padEnd(6)}${name.padEnd(15)}${`${durationMs} ms`.padStart(8)}  `;
  return wrapped(text, WIDTH - begin.length).map(
    (line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line,
  );
}

/** What comes after the steps: what to change, or what is wrong and what to do. */
export function verdictLines({ diagnosis, notices, model, baseUrl, costNanoUsd }: CheckReport): readonly string[] {
  // What could be better is of no interest while nothing goes.
  if (diagnosis !== null)
    return ['', ...labelled('Likely cause', diagnosis.text), ...labelled('Do next', diagnosis.next)];
  return [
    '',
    ...wrapped(`${model} answers at ${baseUrl}.`, WIDTH),
    ...(costNanoUsd === null ? [] : [`This check cost ${usd(costNanoUsd)}.`]),
    ...notices.flatMap((notice) => labelled('Notice', notice)),
  ];
}

function labelled(label: string, text: string): readonly string[] {
  const begin = `${label}:`.padEnd(14);
  const lines = text.split('\n').flatMap((paragraph) => wrapped(paragraph, WIDTH - begin.length));
  return lines.map((line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line);
}
