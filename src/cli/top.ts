import { setTimeout as sleep } from 'node:timers/promises';
import { viewOfReplicas } from '../console/handler.ts';
import type { View } from '../console/view.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import { models } from '../routing/models.ts';
import { defineCommand, print, type CommandIo, type Terminal } from './command.ts';
import { ReplicasReading, urlsIn } from './replicas-reading.ts';
import { fittedText, Screen } from './terminal.ts';
import { topFrame } from './top-frame.ts';

const USAGE = [
  'plimsoll top [options] [URL ...]      what a service does now, in this terminal:',
  '                                      from the metrics of its replicas',
  '  --metrics URL ...   metrics pages of replicas, or of a gateway',
  '                      (http://127.0.0.1:9464/metrics)',
  '  --once              prints what happened within 4 seconds, and ends; so does',
  '                      a pipe in place of a terminal',
  '',
  'It counts from when it starts, an hour at most. q ends it, as Ctrl-C does.',
  'NO_COLOR is obeyed.',
  '',
  'Exit code: 0 done, 1 no page could be read, 2 wrong arguments.',
];

const OPTIONS = {
  metrics: { type: 'string', multiple: true },
  once: { type: 'boolean', default: false },
} as const;

const EVERY_MS = 2_000;

const ONCE_MS = 4_000;

/** `plimsoll top`. */
export const command = defineCommand({
  name: 'top',
  usage: USAGE,
  options: OPTIONS,
  takesArguments: true,
  async run({ values: { metrics, once }, positionals }, io) {
    const urls = urlsIn({ ...(metrics !== undefined && { metrics }) }, positionals);
    const path = io.env['PLIMSOLL_PRICES']?.trim() ?? '';
    const reading = new ReplicasReading(urls, io);
    const answer = viewOfReplicas({
      ...{ name: new URL(urls[0] ?? '').host, replicas: reading.replicas, models: models(io.env) },
      ...{ prices: path === '' ? defaultPrices() : loadPrices(path), now: () => io.now() },
    });
    const look = async (): Promise<View> => reading.fresh().then(() => answer({ filter: {} }));
    try {
      if (once || io.terminal === undefined) return await printOnce(look, io);
      await watch(io.terminal, look, io);
      return 0;
    } finally {
      reading.close();
    }
  },
});

/** Returns the exit code. */
async function printOnce(look: () => Promise<View>, io: CommandIo): Promise<number> {
  await look();
  await waited(ONCE_MS, io.signal);
  const view = await look();
  print(
    topFrame(view).map(({ text }) => fittedText(text, io.columns)),
    io,
  );
  return view.replicas.every(({ trouble }) => trouble !== null) ? 1 : 0;
}

/** Draws until the signal is aborted or `q` is pressed, and anew where the terminal's size changes. */
async function watch(terminal: Terminal, look: () => Promise<View>, io: CommandIo): Promise<void> {
  const quitting = new AbortController();
  const signal = AbortSignal.any([io.signal, quitting.signal]);
  const screen = new Screen(terminal, io.color);
  const deafen = terminal.onKey((key) => void (ENDING.has(key) && quitting.abort()));
  let last: View | null = null;
  const draw = (): void => void (last !== null && screen.draw(topFrame(last)));
  const forget = terminal.onResize(draw);
  try {
    while (!signal.aborted) {
      last = (await unlessAborted(look(), signal)) ?? last;
      if (signal.aborted) break;
      draw();
      await waited(EVERY_MS, signal);
    }
  } finally {
    forget();
    deafen();
    screen.close();
  }
}

/** `q`, and Ctrl-C, which is a key while keys are read one by one. */
const ENDING: ReadonlySet<string> = new Set(['q', 'Q', '\u0003']);

/** A page that hangs does not keep the command from ending. */
async function unlessAborted(looking: Promise<View>, signal: AbortSignal): Promise<View | null> {
  if (signal.aborted) return null;
  const aborted = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
  return Promise.race([looking, aborted]);
}

async function waited(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
