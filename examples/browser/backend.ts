/**
 * The backend of a page that calls Claude. It holds a gateway token that may mint others, and gives each visitor a token
 * that lasts minutes and is bound to the visitor, this page's origin, one model and a small amount of money. The page
 * then calls the gateway directly: responses do not pass through here.
 *
 *     ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_AUTH_TOKEN=plk_… node backend.ts
 */
import { randomUUID } from 'node:crypto';
import express, { type Request, type Response } from 'express';

const gateway = process.env.ANTHROPIC_BASE_URL ?? 'http://127.0.0.1:8787';
const ownToken = process.env.ANTHROPIC_AUTH_TOKEN;
if (ownToken === undefined)
  throw new Error('ANTHROPIC_AUTH_TOKEN: expected a token of the gateway that may mint others.');
const port = Number(process.env.PORT ?? 8080);
const origin = process.env.ORIGIN ?? `http://localhost:${port}`;
const model = process.env.ANTHROPIC_DEFAULT_MODEL ?? 'claude-haiku-4-5';

const app = express();

app.use((_req, res, next) => {
  res.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${new URL(gateway).origin}; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  next();
});

app.use(express.static(`${import.meta.dirname}/page`));

app.post('/token', async (req, res) => {
  const visitor = signedIn(req, res);
  if (visitor === null) return res.status(401).end();
  // Another site's page can make a visitor's browser send this request, but cannot forge its Origin header.
  if (req.get('origin') !== origin) return res.status(403).end();
  const response = await fetch(`${gateway}/plimsoll/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ownToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ subject: visitor, origin, models: [model], spendUsd: '0.05', expiresInSeconds: 300 }),
  });
  if (!response.ok) return res.status(502).end();
  const { token, expiresAt } = (await response.json()) as { token: string; expiresAt: string };
  return res.setHeader('cache-control', 'no-store').json({ token, expiresAt, gateway, model });
});

/** Returns the visitor's id. A real backend checks its session; this one accepts anyone and sets a cookie. */
function signedIn(req: Request, res: Response): string | null {
  const [, known] = /(?:^|; )visitor=([\w-]{36})/.exec(req.get('cookie') ?? '') ?? [];
  const visitor = known ?? randomUUID();
  res.cookie('visitor', visitor, { httpOnly: true, sameSite: 'strict' });
  return visitor;
}

app.listen(port, () => console.log(`The page is at ${origin}`));
