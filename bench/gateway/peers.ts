import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../testing/free-port.ts';
import type { Proxy } from './measure.ts';
import { program } from './program.ts';

const run = promisify(execFile);

/** Where peers are installed, once for all runs. */
const FOLDER = join(tmpdir(), 'plimsoll-gateway-peers');

/** The newest whose parts all install. */
const LITELLM = '1.108.7';
const PORTKEY = '1.15.2';

/** Other gateways that run, and why others do not. */
export interface Peers {
  readonly running: readonly Proxy[];
  readonly notRun: readonly string[];
}

/** Installs and starts other gateways before the upstream, each with one worker and as its own manual says. */
export async function startPeers(upstream: string): Promise<Peers> {
  mkdirSync(FOLDER, { recursive: true });
  const running: Proxy[] = [];
  const notRun: string[] = [];
  for (const [name, start] of [
    [`Portkey ${PORTKEY}`, portkey],
    [`LiteLLM ${LITELLM}`, litellm],
  ] as const) {
    try {
      running.push({ name, ...(await start(upstream)) });
    } catch (error) {
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      notRun.push(`${name} — not run: ${reason}`);
    }
  }
  return { running, notRun };
}

async function portkey(upstream: string): Promise<Omit<Proxy, 'name'>> {
  const folder = join(FOLDER, 'portkey');
  const server = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(server)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    await run('npm', ['install', '--no-audit', '--no-fund', `@portkey-ai/gateway@${PORTKEY}`], { cwd: folder });
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const process_ = await program({
    ...{ command: process.execPath, args: [server, '--headless', `--port=${port}`], folder, url },
    env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1' },
  });
  const headers = { 'x-portkey-provider': 'anthropic', 'x-portkey-custom-host': `${upstream}/v1` };
  return { process: process_, target: { url, token: 'bench', headers } };
}

const MASTER = 'sk-bench-of-litellm';

async function litellm(upstream: string): Promise<Omit<Proxy, 'name'>> {
  const folder = join(FOLDER, 'litellm');
  const command = join(folder, 'bin/litellm');
  if (!existsSync(command)) {
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), ['install', '--quiet', `litellm[proxy]==${LITELLM}`]);
  }
  const config = join(FOLDER, 'litellm.json');
  const model = { model: 'anthropic/claude-haiku-4-5', api_key: 'bench', api_base: upstream };
  const settings = {
    model_list: [{ model_name: 'claude-haiku-4-5', litellm_params: model }],
    general_settings: { master_key: MASTER },
  };
  writeFileSync(config, JSON.stringify(settings));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'];
  const env = { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR' };
  const process_ = await program({ command, args, env, folder, url: `${url}/health/liveliness` });
  return { process: process_, target: { url, token: MASTER, headers: { connection: 'keep-alive' } } };
}
