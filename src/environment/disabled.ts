import type { Env } from './credential.ts';

/** The part of a budget that says whether it blocks. */
interface MayBlock {
  readonly name: string;
  readonly mode: string;
}

/** Tells whether `PLIMSOLL_DISABLED` turns plimsoll off: `1`, `true`, `yes` or `on`. */
export function isDisabled(env: Env): boolean {
  return /^(1|true|yes|on)$/i.test(env['PLIMSOLL_DISABLED']?.trim() ?? '');
}

/** Warns that nothing is measured, and of each budget that would have blocked: nothing else keeps its limit now. */
export function warnOfDisabled(budgets: readonly MayBlock[]): void {
  const blocking = budgets.filter(({ mode }) => mode === 'block').map(({ name }) => name);
  const blocked = blocking.length === 0 ? '' : `, and these budgets block no call (${blocking.join(', ')})`;
  process.emitWarning(`PLIMSOLL_DISABLED is set: plimsoll measures nothing${blocked}.`, {
    type: 'PlimsollWarning',
    code: 'PLIMSOLL_DISABLED',
    detail: 'Remove the variable and start the process again to turn plimsoll on.',
  });
}
