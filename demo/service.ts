import Anthropic from '@anthropic-ai/sdk';
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { clientFromEnvironment, retryPolicy, routes } from 'plimsoll';
import type { Budgets } from 'plimsoll/budget';
import { attribution } from 'plimsoll/express';

type Authenticated = Request & { tenant?: string };

/** The customers of this service by their tokens. A real service keeps them elsewhere. */
const TENANTS: Readonly<Record<string, string>> = { 'token-h': 'harbor', 'token-p': 'pilot', 'token-y': 'yard' };

const STYLE_GUIDE =
  'Names say what a thing is. A function does one thing. Errors are handled where they can be. '.repeat(40);

/** Settings that the owner of the service decides. */
interface ServiceOptions {
  readonly budgets: Budgets;
  /** The organization's usage tier. Default: inferred from the rate limits. */
  readonly tier?: string;
}

/** A service as any team would write it: three endpoints, three models. Models and limits come from the environment. */
export function service({ budgets, tier }: ServiceOptions): Express {
  const harbor = routes({ chat: { task: 'conversation' }, review: { task: 'code' }, research: { task: 'analysis' } });

  const claude = clientFromEnvironment({
    key: 'dev-local-key',
    retry: retryPolicy(),
    routes: harbor,
    attribution: { tenant: Object.values(TENANTS) },
    budgets,
    tier: tier === undefined ? {} : { name: tier },
    onNotice: () => undefined, // The demo uses the default models on purpose.
  });

  const app = express();
  app.use(express.json({ limit: '1mb' }), asked, authenticate);
  app.use(attribution({ labels: (req: Authenticated) => ({ tenant: req.tenant }) }));

  app.post('/chat', async (req, res) => {
    const stream = claude.messages.stream({ ...harbor.route('chat'), messages: [user(req)] });
    res.on('close', () => stream.abort());
    stream.on('text', (text) => res.write(text));
    await stream.done();
    res.end();
  });

  app.post('/review', async (req, res) => {
    const system = [{ type: 'text' as const, text: STYLE_GUIDE, cache_control: { type: 'ephemeral' as const } }];
    const message = await claude.messages.create({ ...harbor.route('review'), system, messages: [user(req)] });
    res.json({ review: text(message) });
  });

  app.post('/research', async (req, res) => {
    const stream = claude.messages.stream({ ...harbor.route('research'), messages: [user(req)] });
    res.json({ report: text(await stream.finalMessage()) });
  });

  app.use(failed);
  return app;
}

function authenticate(req: Authenticated, _res: unknown, next: () => void): void {
  const tenant = TENANTS[req.get('authorization')?.replace('Bearer ', '') ?? ''];
  if (tenant !== undefined) req.tenant = tenant;
  next();
}

function asked(req: Request, res: Response, next: () => void): void {
  if (req.method !== 'POST' || question(req) !== null) return next();
  res.status(400).json({ error: 'expected JSON such as {"question":"When is high water?"}, with its content-type' });
}

function question({ body }: Request): string | null {
  const { question } = (body ?? {}) as { readonly question?: unknown };
  return typeof question === 'string' && question !== '' ? question : null;
}

function user(req: Request): Anthropic.MessageParam {
  return { role: 'user', content: question(req) ?? '' };
}

function text({ content }: Anthropic.Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

// eslint-disable-next-line max-params -- Express knows an error handler by its four parameters.
const failed: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  if (res.headersSent) return res.destroy();
  const status = error instanceof Anthropic.APIError ? (error.status as number | undefined) : undefined;
  return res.status(status ?? 502).json({ error: error instanceof Error ? error.name : 'Error' });
};
