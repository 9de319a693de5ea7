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
  'plimsoll top [options] [URL ...]      what a service does now, in this terminal: from',
  '                                      the metrics of its replicas',
  '  --metrics URL ...   metrics pages of replicas, or of a gateway',
  '                      (http://127.0.0.1:9464/metrics)',
  '  --once              prints what happened within 4 seconds, and ends; so does',
  '                      a pipe in place of a terminal',
  '',
  'It counts from when it starts, an hour at most. Ctrl-C ends it. NO_COLOR is obeyed.',
  '',
  'Exit code: 0 done, 2 wrong arguments.',
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
      if (!once && io.terminal !== undefined) await watch(io.terminal, look, io);
      else await printOnce(look, io);
      return 0;
    } finally {
      reading.close();
    }
  },
});

async function printOnce(look: () => Promise<View>, io: CommandIo): Promise<void> {
  await look();
  await waited(ONCE_MS, io.signal);
  const lines = topFrame(await look());
  print(
    lines.map(({ text }) => fittedText(text, io.columns)),
    io,
  );
}

/** Draws until the signal is aborted, and anew where the terminal's size changes. */
async function watch(terminal: Terminal, look: () => Promise<View>, io: CommandIo): Promise<void> {
  const screen = new Screen(terminal, io.color);
  let last = await look();
  const draw = (): void => screen.draw(topFrame(last));
  const forget = terminal.onResize(draw);
  try {
    do {
      draw();
      await waited(EVERY_MS, io.signal);
      if (!io.signal.aborted) last = await look();
    } while (!io.signal.aborted);
  } finally {
    forget();
    screen.close();
  }
}

async function waited(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
