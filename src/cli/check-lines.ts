import { usd } from '../check/answer-steps.ts';
import type { CheckReport, Step } from '../check/report.ts';

const WIDTH = 80;
const SIGNS = { ok: 'ok', warned: 'warn', failed: 'FAIL', skipped: 'skip' } as const;

/** A step as it is shown when it ends. */
export function stepLines({ name, status, durationMs, text }: Step): readonly string[] {
  const begin = `${SIGNS[status].padEnd(6)}${name.padEnd(15)}${`${durationMs} ms`.padStart(8)}  `;
  return wrapped(text, begin.length).map((line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line);
}

/** What comes after the steps: what to change, or what is wrong and what to do. */
export function verdictLines({ diagnosis, notices, model, baseUrl, costNanoUsd }: CheckReport): readonly string[] {
  // What could be better is of no interest while nothing goes.
  if (diagnosis !== null)
    return ['', ...labelled('Likely cause', diagnosis.text), ...labelled('Do next', diagnosis.next)];
  return [
    '',
    ...wrapped(`${model} answers at ${baseUrl}.`, 0),
    ...(costNanoUsd === null ? [] : [`This check cost ${usd(costNanoUsd)}.`]),
    ...notices.flatMap((notice) => labelled('Notice', notice)),
  ];
}

function labelled(label: string, text: string): readonly string[] {
  const begin = `${label}:`.padEnd(14);
  const lines = text.split('\n').flatMap((paragraph) => wrapped(paragraph, begin.length));
  return lines.map((line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line);
}

/** Broken between words; a word that is longer than the line stays whole. */
function wrapped(text: string, indent: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH - indent) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
