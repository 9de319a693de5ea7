import { consoleOf, viewOfReplicas } from '../console/handler.ts';
import { PortError } from '../http/listen.ts';
import { serve } from '../http/serve.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import { models } from '../routing/models.ts';
import { portIn } from './arguments.ts';
import { aborted, defineCommand, fail } from './command.ts';
import { ReplicasReading, urlsIn } from './replicas-reading.ts';

const CONSOLE_PORT = 9470;

const USAGE = [
  'plimsoll console [options] [URL ...]  a live page of what a service does, from',
  '                                      its metrics: one page for all replicas',
  '  --metrics URL ...   metrics pages of replicas, or of a gateway',
  '                      (http://127.0.0.1:9464/metrics)',
  '  --prometheus URL    Prometheus from which ranges up to 24 h and older moments',
  '                      are read',
  `  --match MATCHERS    its series of this service: 'job="harbor-api"' (all)`,
  `  --port N            port to listen on (${CONSOLE_PORT}); 0 takes a free one`,
  '  --host ADDRESS      address to listen on (127.0.0.1)',
  '  --name NAME         name that the page shows (the first host)',
  '',
  'It counts from when it starts, and keeps an hour in memory. A replica that does',
  'not answer is marked, with its last numbers. The page shows spend and',
  'attribution values to everybody who can reach it.',
  '',
  'Exit code: 0 stopped by Ctrl-C; 1 the port is taken, 2 wrong arguments.',
];

const OPTIONS = {
  metrics: { type: 'string', multiple: true },
  prometheus: { type: 'string' },
  match: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string', default: '127.0.0.1' },
  name: { type: 'string' },
} as const;

/** `plimsoll console`. */
export const command = defineCommand({
  name: 'console',
  usage: USAGE,
  options: OPTIONS,
  takesArguments: true,
  async run({ values: { metrics, prometheus, match, port, host, name }, positionals }, io) {
    const urls = urlsIn({ ...(metrics !== undefined && { metrics }) }, positionals);
    const address = {
      host,
      port: portIn(port, CONSOLE_PORT),
      portOption: '--port',
      names: [],
      onError: () => undefined,
    };
    const path = io.env['PLIMSOLL_PRICES']?.trim() ?? '';
    const reading = new ReplicasReading(urls, io);
    const answer = viewOfReplicas({
      ...{ name: name ?? new URL(urls[0] ?? '').host, replicas: reading.replicas, models: models(io.env) },
      ...{ prices: path === '' ? defaultPrices() : loadPrices(path), now: () => io.now() },
      ...(prometheus !== undefined && {
        prometheus: { url: prometheus, ...(match !== undefined && { matchers: match }) },
      }),
    });
    try {
      const page = consoleOf((query) => reading.fresh().then(() => answer(query)));
      const serving = await serve(page, address);
      io.out(
        `The live page is at ${serving.url}/, of ${urls.length} metrics ${urls.length === 1 ? 'page' : 'pages'}. Press Ctrl-C to stop it.`,
      );
      void reading.fresh();
      await aborted(io.signal);
      await serving.close(0);
      return 0;
    } catch (error) {
      if (!(error instanceof PortError)) throw error;
      return fail([error.message], io);
    } finally {
      reading.close();
    }
  },
});
