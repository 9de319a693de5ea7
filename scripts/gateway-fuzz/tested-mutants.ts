import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Mutant } from './mutants.ts';

/** A mistake that a test finds, where no body of a request would show it. */
export interface TestedMutant extends Mutant {
  /** Under `test/`. */
  readonly test: string;
  /** A part of the name of the test that fails. */
  readonly named: string;
}

const HOSTS = { file: 'hosts.ts', test: 'hosts.test.ts' };
const HEADERS = { file: 'gateway/headers.ts', test: 'gateway/security/headers.test.ts' };
const METHODS = { ...HEADERS, named: 'headers by which a framework would take another method or path' };
const BODY = { file: 'gateway/response-body.ts', test: 'gateway/security/upstream.test.ts' };
const ECHO = { ...BODY, named: 'cut anywhere, does not give it to the client' };
const SHAPES = { test: 'gateway/security/shapes.test.ts' };
const RESULTS = { file: 'gateway/batch-results.ts', test: 'gateway/batch-results.test.ts' };
const RESEND = { file: 'gateway/upstream.ts', test: 'gateway/upstream-resend.test.ts' };
const SPEND = { test: 'gateway/security/spend.test.ts' };

/** Of what ends the process, of what an API can do to the gateway, and of the edges. */
export const TESTED_MUTANTS: readonly TestedMutant[] = [
  {
    ...SHAPES,
    named: 'a mint request of 17 KB gets its 400',
    name: 'the socket of a response is looked for when it has gone',
    file: 'gateway/node.ts',
    from: "outgoing.once('finish', () => linger(incoming, socket))",
    to: "outgoing.once('finish', () => linger(incoming, outgoing.socket as typeof socket))",
  },
  {
    test: 'gateway/node.test.ts',
    named: 'a response whose head cannot be written costs its own exchange',
    name: 'an error of sending is thrown at everyone',
    file: 'gateway/node.ts',
    from: '        outgoing.destroy();\n        handler.fail(error);\n',
    to: '        handler.fail(error);\n        queueMicrotask(() => { throw error; });\n',
  },
  {
    ...SHAPES,
    named: 'an error that cannot even be reported',
    name: 'a report that fails is thrown',
    file: 'gateway/context.ts',
    from: "    } catch {\n      store.errors('gateway');\n",
    to: "    } catch {\n      store.errors('gateway');\n      throw error;\n",
  },
  {
    ...RESULTS,
    named: 'addresses of results lead to the gateway',
    name: 'any address is one of results',
    from: '/^https?:\\/\\//.test(value) ? value.indexOf(RESULTS_PATH) : -1',
    to: 'value.indexOf(RESULTS_PATH)',
  },
  {
    ...ECHO,
    name: 'a key in a stream is passed on',
    from: '    const passed = this.#mask?.mask(bytes) ?? bytes;\n',
    to: '    const passed = bytes;\n',
  },
  {
    ...ECHO,
    name: 'a key that is cut in two is passed on',
    from: '    const start = this.#beginning(bytes);\n',
    to: '    const start = bytes.length + 0 * this.#beginning(bytes);\n',
  },
  {
    ...ECHO,
    name: 'the last bytes of a response are kept for a key that does not come',
    from: '    this.#writeHeld();\n    this.#sink?.end();\n',
    to: '    this.#sink?.end();\n',
  },
  {
    ...BODY,
    named: 'an API that sends the key back in a header or an error',
    name: 'a key in an error is passed on',
    from: '        if (isWhole) this.#mask?.all(bytes);\n',
    to: '',
  },
  {
    ...BODY,
    file: HEADERS.file,
    named: 'an API that sends the key back in a header or an error',
    name: 'a key in the value of a header is passed on',
    from: '!has(raw[at | 1]) && !has(raw[at & ~1])',
    to: '!has(raw[at & ~1])',
  },
  {
    ...ECHO,
    file: HEADERS.file,
    name: 'a key in the name of a header is passed on',
    from: '!has(raw[at | 1]) && !has(raw[at & ~1])',
    to: '!has(raw[at | 1])',
  },
  {
    ...HOSTS,
    named: 'a page of another site that points a name of its own here',
    name: 'every name is an own one',
    from: '|| names.includes(name);',
    to: "|| name !== '' || names.includes(name);",
  },
  {
    ...HOSTS,
    named: 'a server that lists its names answers to those',
    name: 'a name that ends as an own one is an own one',
    from: "name.endsWith('.localhost')",
    to: "name.includes('localhost')",
  },
  {
    ...HOSTS,
    named: 'a request with two hosts, or none, is a 400',
    name: 'a request may have two hosts',
    from: '  return hosts === 1;\n',
    to: '  return hosts >= 1;\n',
  },
  {
    file: 'gateway/cors.ts',
    test: 'gateway/security/cors.test.ts',
    named: 'every response of the API’s paths says that it depends on the origin',
    name: 'what another origin gets does not say that it depends on the origin',
    from: "!allowed.has(origin)) return ['Vary', 'Origin'];",
    to: '!allowed.has(origin)) return [];',
  },
  { ...METHODS, name: 'another method is sent on', from: "    'x-http-method-override',\n", to: '' },
  { ...METHODS, name: 'another path is sent on', from: "    'x-original-url',\n", to: '' },
  { ...METHODS, name: 'a rewritten path is sent on', from: "    'x-rewrite-url',\n", to: '' },
  {
    ...HEADERS,
    named: 'the real key goes to the API once',
    name: 'the credentials of a client are sent on',
    from: "    'x-api-key',\n",
    to: '',
  },
  {
    ...RESEND,
    named: 'after the first byte of a response',
    name: 'a response that has begun is asked for again',
    from: '!reusedSocket || socket?.bytesRead !== this.#bytesBefore',
    to: '!reusedSocket || this.#bytesBefore < 0',
  },
  {
    ...RESEND,
    named: 'twice',
    name: 'a new connection that is closed is reason to send again',
    from: 'current = sent({ isAgain: true, answered, failed });',
    to: 'current = sent({ isAgain: true, answered, failed: () => sent({ isAgain: true, answered, failed }) });',
  },
  {
    ...RESEND,
    named: 'if the API may have worked on it',
    name: 'a request is sent again however late',
    from: 'const RESEND_MS = 5_000;',
    to: 'const RESEND_MS = 5_000_000;',
  },
  {
    ...RESEND,
    named: 'costs its client nothing where it was',
    name: 'a request on a closed connection is a 502',
    from: '      if (cause === null || cause === undefined) return failed(error);\n',
    to: "      if (cause !== 'again') return failed(error);\n",
  },
  {
    ...SPEND,
    file: 'observe/exchange.ts',
    named: 'as if its own patience had ended',
    name: 'who gave up holds its part until a retry cannot come any more',
    from: 'for (const spend of call.spends) spend.retried?.();\n  notify(',
    to: 'void 0;\n  notify(',
  },
  {
    ...SPEND,
    file: 'budget/estimate.ts',
    named: 'a visitor spends a cent and no more',
    name: 'only the dearest model of a visitor is reserved for',
    from: 'const nanoUsd = this.#isWorst || own.nanoUsd === null ?',
    to: 'const nanoUsd = own.nanoUsd === null ?',
  },
  {
    ...SPEND,
    file: 'budget/estimate.ts',
    named: 'fallbacks the API would choose',
    name: 'fallbacks that the API chooses cost nothing',
    from: '    if (isChosenThere && this.#isWorst) ',
    to: '    if (isChosenThere && !this.#isWorst) ',
  },
  {
    ...SPEND,
    file: 'gateway/body-names.ts',
    named: 'where a model runs at a dearer place',
    name: 'the place of inference is not read',
    from: '        node.inference_geo = value;\n',
    to: '',
  },
];

const root = join(import.meta.dirname, '..', '..');

/** Tells whether the named test fails with the mistake in place, and passes without: `null` for `without`. */
export async function failsTest({ test, named }: TestedMutant, mutant: Mutant | null): Promise<boolean> {
  const args = [
    ...['--conditions=plimsoll-source', '--import', join(import.meta.dirname, 'with-mutant.ts')],
    ...['--test', '--test-reporter=tap', '--test-timeout=30000', `--test-name-pattern=${escaped(named)}`],
    join(root, 'test', test),
  ];
  const env = { ...process.env, PLIMSOLL_MUTANT: JSON.stringify(mutant), NODE_TEST_CONTEXT: undefined };
  const running = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const patience = setTimeout(() => running.pid !== undefined && process.kill(-running.pid, 'SIGKILL'), 90_000);
  let said = '';
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  await new Promise((resolve) => running.once('close', resolve));
  clearTimeout(patience);
  if (said.includes(MISPLACED)) throw new Error(`"${mutant?.name}" has no place in its file, or several`);
  return said.split('\n').some((line) => /^\s*not ok /.test(line) && line.includes(named.replaceAll('#', '\\#')));
}

export const MISPLACED = 'the place of the mistake stands there not once';

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
