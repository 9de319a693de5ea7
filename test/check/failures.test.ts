import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { serve } from '../../src/http/serve.ts';
import { networkFailure } from '../../src/check/failures.ts';
import { certified } from '../../testing/certificates.ts';
import { run, served, spawned } from '../../testing/checked.ts';

describe('what plimsoll check says of the network', () => {
  it('recognizes a name that the DNS does not know', async () => {
    const ran = await run({ ANTHROPIC_BASE_URL: 'https://api.anthropic.invalid' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        'DNS does not know the name api.anthropic.invalid.',
        'Look for a typo in ANTHROPIC_BASE_URL; then check that this machine has a network and a DNS server.',
      ],
    );
  });

  it('recognizes a port where nothing listens', async () => {
    const { url, close } = await serve(async () => new Response(), { port: 0 });
    await close(0);
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Nothing listens at ${new URL(url).host}.`,
        'Start the gateway or simulator at ANTHROPIC_BASE_URL, or correct the port. To call the API itself, unset the variable.',
      ],
    );
  });

  it('recognizes a server that does not answer in time', async (t) => {
    const url = await served(t, () => new Promise(() => undefined));
    const ran = await run({ ANTHROPIC_BASE_URL: url }, ['--timeout', '200']);
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `${new URL(url).host} did not answer within 200 ms.`,
        'Check that no firewall blocks outgoing calls on that port. If the network is slow, raise ANTHROPIC_TIMEOUT_MS.',
      ],
    );
  });

  it('recognizes a certificate that nobody known has signed', async (t) => {
    const { host } = await certified(t);
    const ran = await run({ ANTHROPIC_BASE_URL: `https://${host}` });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Node does not trust the issuer of the certificate of ${host}: a proxy inspects TLS, or the certificate is your own.`,
        "Get the issuer's certificate, and set NODE_EXTRA_CA_CERTS to its file. Never turn off verification.",
      ],
    );
  });

  it('passes where that certificate is named in NODE_EXTRA_CA_CERTS, as it advises', async (t) => {
    const { host, certificatePath } = await certified(t);
    const { code, out } = await spawned({
      ANTHROPIC_BASE_URL: `https://${host}`,
      NODE_EXTRA_CA_CERTS: certificatePath,
    });
    assert.equal(code, 0, out.join('\n'));
    assert.match(out.join('\n'), /^ok {4}tls +\d+ ms {2}TLSv1\.3, certificate until 2040-01-01$/m);
  });

  for (const [name, dates] of [
    ['has expired', { until: '20260101000000Z' }],
    ['is not valid yet', { from: '20390101000000Z' }],
  ] as const)
    it(`recognizes a certificate that ${name}`, async (t) => {
      const { host, certificatePath } = await certified(t, dates);
      const ran = await spawned({ ANTHROPIC_BASE_URL: `https://${host}`, NODE_EXTRA_CA_CERTS: certificatePath });
      assert.deepEqual(
        [ran.code, ran.cause, ran.next],
        [
          4,
          `According to this machine's clock, the certificate of ${host} is not valid now.`,
          "Set this machine's clock. If it is right, whoever runs that host has to renew the certificate.",
        ],
      );
    });

  it('recognizes a certificate of another name', async (t) => {
    const { host, certificatePath } = await certified(t, { name: 'api.example' });
    const ran = await spawned({ ANTHROPIC_BASE_URL: `https://${host}`, NODE_EXTRA_CA_CERTS: certificatePath });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `The certificate of ${host} was issued for another name.`,
        'Look for a typo in ANTHROPIC_BASE_URL, and for a proxy that answers instead of the API.',
      ],
    );
  });

  it('recognizes a server that does not speak TLS', async (t) => {
    const url = (await served(t, async () => new Response())).replace('http:', 'https:');
    const ran = await run({ ANTHROPIC_BASE_URL: url });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `${new URL(url).host} does not speak TLS.`,
        'For a gateway or simulator on this machine, begin ANTHROPIC_BASE_URL with http://. Otherwise, correct the port.',
      ],
    );
  });

  it('notices a proxy that Node does not use', async () => {
    const env = {
      ANTHROPIC_BASE_URL: 'https://api.anthropic.invalid',
      HTTPS_PROXY: 'http://user:pass@proxy.example:3128',
    };
    const ran = await run(env);
    assert.equal(
      ran.cause,
      'DNS does not know the name api.anthropic.invalid. HTTPS_PROXY names a proxy, but Node does not use it by default.',
    );
    assert.match(ran.next, /^If calls should go through the proxy, set NODE_USE_ENV_PROXY=1\. /);
    assert.ok(!ran.out.join('').includes('pass'));
    const exempt = await run({ ...env, NO_PROXY: '.invalid' });
    assert.doesNotMatch(exempt.cause, /HTTPS_PROXY/);
  });

  it('looks for the proxy itself where calls go through it', async () => {
    const { url, close } = await serve(async () => new Response(), { port: 0 });
    await close(0);
    const ran = await run({ HTTPS_PROXY: url, NODE_USE_ENV_PROXY: '1' });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        4,
        `Nothing listens at ${new URL(url).host}. It is the proxy in HTTPS_PROXY.`,
        'Correct HTTPS_PROXY, or ask whoever runs the proxy. If you do not need a proxy, unset the variable.',
      ],
    );
  });

  for (const [status, name, next] of [
    [
      407,
      'asks for a password',
      (host) => `Put the proxy's user name and password into HTTPS_PROXY, as in http://name:…@${host}.`,
    ],
    [403, 'does not let it pass', () => 'Ask whoever runs the proxy to allow calls to api.anthropic.com:443.'],
  ] as readonly (readonly [status: number, name: string, next: (host: string) => string])[])
    it(`recognizes a proxy that ${name}`, async (t) => {
      const proxy = createServer().on('connect', (_request, socket) => socket.end(`HTTP/1.1 ${status} No\r\n\r\n`));
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      t.after(() => proxy.close());
      const host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const ran = await spawned({ HTTPS_PROXY: `http://${host}`, NODE_USE_ENV_PROXY: '1' });
      assert.deepEqual(
        [ran.code, ran.cause, ran.next],
        [
          4,
          `The proxy ${host} from HTTPS_PROXY does not connect to api.anthropic.com:443: it answered ${status}.`,
          next(host),
        ],
      );
    });

  it('recognizes a port that Node refuses to call', async (t) => {
    const forbidden = 10080;
    const server = createServer();
    const open = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(forbidden, '127.0.0.1', () => resolve(true));
    });
    if (open) t.after(() => server.close());
    const ran = await run({ ANTHROPIC_BASE_URL: `http://127.0.0.1:${forbidden}` });
    assert.deepEqual(
      [ran.code, ran.cause, ran.next],
      [
        1,
        `The request to 127.0.0.1:${forbidden} failed with "bad port".`,
        "Look it up in Node's documentation. Node may not be able to call the address in ANTHROPIC_BASE_URL.",
      ],
    );
  });

  for (const [code, cause, next] of [
    [
      'EAI_AGAIN',
      'DNS gave no answer for the name api.example.',
      'Check that this machine, or the container, has a network and a working DNS server; then try again.',
    ],
    [
      'ENETUNREACH',
      'This machine has no route to api.example:443.',
      'Check that the network of this machine, or of the container, allows outgoing calls; look at its VPN and firewall.',
    ],
    [
      'ESOMETHING',
      'The request to api.example:443 failed with "ESOMETHING".',
      "Look it up in Node's documentation. Node may not be able to call the address in ANTHROPIC_BASE_URL.",
    ],
  ] as const)
    it(`explains what the network of this machine lacks: ${code}`, () => {
      const error = Object.assign(new Error('as Node throws it'), { code });
      const asked = {
        host: 'api.example:443',
        hostname: 'api.example',
        timeoutMs: 1_000,
        proxy: null,
        unusedProxy: null,
      };
      const { diagnosis } = networkFailure(error, asked);
      assert.deepEqual([diagnosis.text, diagnosis.next], [cause, next]);
    });

  it('shows no password of a base URL', async () => {
    const { code, out } = await run({ ANTHROPIC_BASE_URL: 'https://me:hunter2@example.org' }, ['--json']);
    assert.equal(code, 3);
    assert.ok(!out.join('').includes('hunter2'));
  });
});
