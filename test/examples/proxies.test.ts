import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tool } from '../../testing/tools.ts';
import { gateway } from '../../testing/examples/gateway.ts';
import { listens, root, stays } from '../../testing/examples/programs.ts';
import { freePort } from '../../testing/free-port.ts';

const nginx = tool('nginx');
const caddy = tool('caddy');

const page = readFileSync(join(root, 'docs', 'gateway-operations.md'), 'utf8');
const [, nginxServer = ''] = /```nginx\n([^]*?)```/.exec(page) ?? [];
const [, caddySite = ''] = /```caddyfile\n([^]*?)```/.exec(page) ?? [];

/** The rest of a configuration of nginx: what Debian has in /etc/nginx, in a folder of the test's own. */
const nginxRest = (folder: string, server: string) => `
  daemon off;
  pid ${folder}/pid;
  error_log stderr warn;
  events {}
  http {
    access_log off;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    ${server}
  }`;

const caddyRest = (site: string) => `
  {
    admin off
    auto_https disable_redirects
    log {
      level ERROR
    }
  }
  ${site}`;

interface Front {
  readonly program: 'nginx' | 'caddy';
  /** The configuration of the guide, with these in the place of its own. */
  readonly configured: (place: Place) => {
    readonly text: string;
    readonly command: (file: string) => readonly string[];
  };
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly upstream: string;
}

const replaced = (text: string, replacements: Readonly<Record<string, string>>): string =>
  Object.entries(replacements).reduce((all, [from, to]) => {
    assert.ok(all.includes(from), `the guide has no ${from}`);
    return all.replaceAll(from, to);
  }, text);

const FRONTS: readonly Front[] = [
  {
    program: 'nginx',
    configured: ({ folder, port, upstream }) => ({
      text: nginxRest(
        folder,
        replaced(nginxServer, {
          '127.0.0.1:8787': upstream,
          'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
          'claude.example.com;': 'localhost;',
          '/etc/ssl/claude.example.com.pem': `${folder}/cert.pem`,
          '/etc/ssl/private/claude.example.com.key': `${folder}/key.pem`,
        }),
      ),
      command: (file) => [nginx.path, '-c', file, '-e', 'stderr'],
    }),
  },
  {
    program: 'caddy',
    configured: ({ folder, port, upstream }) => ({
      text: caddyRest(
        replaced(caddySite, {
          '127.0.0.1:8787': upstream,
          'claude.example.com {': `https://localhost:${port} {`,
          '/etc/ssl/claude.example.com.pem': `${folder}/cert.pem`,
          '/etc/ssl/private/claude.example.com.key': `${folder}/key.pem`,
        }),
      ),
      command: (file) => [caddy.path, 'run', '--config', file, '--adapter', 'caddyfile'],
    }),
  },
];

/** Starts it before this upstream; its port, and the certificate that it shows. */
async function fronts(t: TestContext, { program, configured }: Front, upstream: string) {
  const folder = mkdtempSync(join(tmpdir(), `plimsoll-${program}-`));
  const [subject, names] = ['/CN=localhost', 'subjectAltName=DNS:localhost'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...key, '-out', 'cert.pem', '-days', '2', '-subj', subject, '-addext', names],
    {
      cwd: folder,
      stdio: 'ignore',
    },
  );
  const port = await freePort();
  const { text, command } = configured({ folder, port, upstream });
  const file = join(folder, 'configuration');
  writeFileSync(file, text);
  await listens(stays(t, command(file), { cwd: folder, env: { HOME: folder } }), port);
  t.after(() => rmSync(folder, { recursive: true }));
  return { port, ca: readFileSync(join(folder, 'cert.pem')) };
}

/** The events so far of an answer, as soon as there are so many. */
function eventsOf(asked: ClientRequest, count: number): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        const events = text.match(/(?<=event: )\w+(?=\ndata: .*\n\n)/g) ?? [];
        if (events.length >= count) resolve(events);
      });
    });
  });
}

for (const front of FRONTS) {
  const { skip } = front.program === 'nginx' ? nginx : caddy;
  const name = `behind ${front.program} an answer comes as it is written, and a client that leaves ends it`;

  test(name, { skip }, async (t) => {
    const { url, api, token } = await gateway(t);
    // It stops for ever after five events: whoever waits for more before passing them on passes nothing on.
    api.script([{ fault: 'stalled_body', at: 5 }]);
    const { port, ca } = await fronts(t, front, new URL(url).host);

    const headers = { 'x-api-key': await token('shell'), 'anthropic-version': '2023-06-01' };
    const asked = request({ host: 'localhost', port, ca, method: 'POST', path: '/v1/messages', headers });
    const messages = [{ role: 'user', content: 'When is high water?' }];
    asked.end(JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 300, stream: true, messages }));
    assert.deepEqual((await eventsOf(asked, 5)).slice(0, 2), ['message_start', 'content_block_start']);

    asked.on('error', () => undefined).destroy();
    while (api.truth.requests[0]?.delivery !== 'cancelled') await sleep(20);
  });
}

/** A request through the proxy; the parsed body of its answer. */
function sent(
  asked: { readonly url: string; readonly ca: Buffer; readonly method: string; readonly headers: object },
  body?: object,
): Promise<{ readonly status: number; readonly text: string }> {
  const { url, ca, method, headers } = asked;
  return new Promise((resolve, reject) => {
    const sending = request(url, { ca, method, headers: { ...headers, 'content-type': 'application/json' } });
    sending.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sending.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

for (const front of FRONTS) {
  const { skip } = front.program === 'nginx' ? nginx : caddy;
  test(
    `behind ${front.program} the results of a batch are where its client called, whatever that says`,
    { skip },
    async (t) => {
      const { url, token } = await gateway(t);
      const { port, ca } = await fronts(t, front, new URL(url).host);
      const called = `https://localhost:${port}`;
      const forged = {
        'x-forwarded-host': 'thief.example',
        'x-forwarded-proto': 'http',
        forwarded: 'host=thief.example',
      };
      const headers = { ...forged, 'x-api-key': await token('shell'), 'anthropic-version': '2023-06-01' };
      const params = { model: 'claude-haiku-4-5', max_tokens: 30, messages: [{ role: 'user', content: 'When?' }] };

      const post = { url: `${called}/v1/messages/batches`, ca, method: 'POST', headers };
      const { id } = JSON.parse((await sent(post, { requests: [{ custom_id: 'a', params }] })).text) as { id: string };
      const get = { ca, method: 'GET', headers };
      const batch = await sent({ ...get, url: `${called}/v1/messages/batches/${id}` });
      const { results_url: results } = JSON.parse(batch.text) as { results_url: string };
      assert.equal(results, `${called}/v1/messages/batches/${id}/results`);
      const { status, text } = await sent({ ...get, url: results });
      assert.equal(status, 200);
      assert.match(text, /^\{"custom_id":"a",/);
    },
  );
}
