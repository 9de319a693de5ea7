import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { simulator } from '../src/simulator/index.ts';

/** A server of TLS on loopback. */
export interface Certified {
  /** `localhost` and the port. */
  readonly host: string;
  /** The path of the server's self-signed certificate. */
  readonly certificatePath: string;
}

export interface CertificateOptions {
  /** The name that it is issued for. Default: the one that the server is called by. */
  readonly name?: string;
  /** Both in the words of openssl: `20260101000000Z`. */
  readonly from?: string;
  readonly until?: string;
}

const AUTHORITY = `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;

/** A simulated API that shows a certificate made for this test. */
export async function certified(t: TestContext, options: CertificateOptions = {}): Promise<Certified> {
  const { name = 'localhost', from = '20250101000000Z', until = '20400101000000Z' } = options;
  const cwd = mkdtempSync(join(tmpdir(), 'plimsoll-certificate-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd, stdio: 'ignore' });
  for (const [file, text] of Object.entries({ 'ca.cnf': AUTHORITY, 'index.txt': '', serial: '01\n' }))
    writeFileSync(join(cwd, file), text);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem'];
  openssl('req', '-new', ...key, '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-out', 'asked.pem');
  const dates = ['-startdate', from, '-enddate', until];
  const signing = ['-batch', '-notext', '-selfsign', '-config', 'ca.cnf', '-keyfile', 'key.pem'];
  openssl('ca', ...signing, ...dates, '-in', 'asked.pem', '-out', 'cert.pem');
  const certificatePath = join(cwd, 'cert.pem');
  const host = await listening(t, { key: readFileSync(join(cwd, 'key.pem')), cert: readFileSync(certificatePath) });
  return { host, certificatePath };
}

async function listening(t: TestContext, pair: { readonly key: Buffer; readonly cert: Buffer }): Promise<string> {
  const claude = simulator();
  const server = createServer(pair, (request, response) => {
    void (async () => {
      const { method = 'GET', url = '/' } = request;
      const body = method === 'GET' ? null : Buffer.concat((await request.toArray()) as Buffer[]);
      const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const answer = await claude.handle(new Request(new URL(url, 'https://localhost'), { method, headers, body }));
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.after(() => server.close());
  return `localhost:${(server.address() as AddressInfo).port}`;
}
