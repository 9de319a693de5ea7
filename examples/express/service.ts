/**
 * A service with two endpoints that measures its own Claude calls: who caused them and what they cost, within budgets.
 *
 *     ANTHROPIC_AUTH_TOKEN=… node service.ts
 *     curl -H 'authorization: Bearer token-h' -H 'content-type: application/json' \
 *       -d '{"question":"When is high water?"}' localhost:8080/chat
 *     curl -s localhost:9464/metrics | grep ^anthropic_cost
 */
import Anthropic from '@anthropic-ai/sdk';
import express, { type NextFunction, type Request, type Response } from 'express';
import { instrument, retryPolicy } from 'plimsoll';
import { budgetExceeded, budgets, sqliteLedger } from 'plimsoll/budget';
import { attribution, metrics } from 'plimsoll/express';

type Authenticated = Request & { tenant?: string };

/** The callers, by token. A real service asks its database. */
const tenants: Readonly<Record<string, string>> = { 'Bearer token-h': 'harbor', 'Bearer token-p': 'pilot' };

const spending = budgets({
  definitions: [
    { name: 'month', period: 'month', usd: 300, mode: 'block' },
    { name: 'chat', scope: { label: 'route', value: '/chat' }, period: 'day', usd: 5, mode: 'block' },
    { name: 'pilot', scope: { label: 'tenant', value: 'pilot' }, period: 'day', usd: 1, mode: 'block' },
  ],
  // A file, so that a restart does not reset the month.
  ledger: sqliteLedger(process.env.LEDGER ?? 'budgets.sqlite'),
  onThreshold: ({ budget, threshold, spentUsd }) =>
    console.warn(`budget ${budget}: ${threshold * 100} % at $${spentUsd}`),
});

const claude = instrument(new Anthropic(), {
  key: 'dev-local-key',
  retry: retryPolicy(),
  attribution: { route: [], tenant: Object.values(tenants) },
  budgets: spending,
});

const app = express();
app.use(express.json());
app.use((req: Authenticated, res, next) => {
  const tenant = tenants[req.get('authorization') ?? ''];
  if (tenant === undefined) return res.status(401).json({ error: 'who are you?' });
  req.tenant = tenant;
  return next();
});
app.use(attribution({ labels: (req: Authenticated) => ({ tenant: req.tenant }) }));

app.post('/chat', async (req, res) => {
  const stream = claude.messages.stream({
    model: 'claude-haiku-4-5',
    max_tokens: 300,
    messages: [{ role: 'user', content: question(req) }],
  });
  // Closing the page ends the response, so nobody pays for the rest.
  res.on('close', () => stream.abort());
  stream.on('text', (text) => res.write(text));
  await stream.done();
  res.end();
});

app.post('/logbooks/:id/summary', async (req, res) => {
  const message = await claude.messages.create({
    model: 'claude-sonnet-5-5',
    max_tokens: 500,
    messages: [{ role: 'user', content: `Sum up in three lines: ${question(req)}` }],
  });
  res.json({ summary: message.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('') });
});

// Express recognizes an error handler by its four parameters.
app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
  const refusal = budgetExceeded(error);
  if (res.headersSent) res.destroy();
  else if (refusal !== null) res.status(402).json({ error: 'spent', budget: refusal.budget, again: refusal.resetsAt });
  else if (error instanceof Anthropic.APIError) res.status(Number(error.status ?? 502)).json({ error: error.name });
  else res.status(500).json({ error: 'failed' });
});

function question(req: Request): string {
  const { question } = req.body as { question?: unknown };
  return typeof question === 'string' ? question : '';
}

const server = app.listen(Number(process.env.PORT ?? 8080));

// Metrics reveal what you spend and on what: serve them on a port of their own, on loopback.
const pages = express()
  .use('/metrics', metrics())
  .listen(Number(process.env.METRICS_PORT ?? 9464), '127.0.0.1');

// Waits until the ledger has all spend before the process ends.
process.once('SIGTERM', () => {
  pages.close();
  server.close(() => void spending.close());
});
