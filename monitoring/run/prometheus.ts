import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { started, type Running } from './servers.ts';

interface Program {
  /** Prometheus or Alertmanager, wherever it is on this machine. */
  readonly program: string;
  readonly configPath: string;
  readonly port: number;
  readonly onOutput?: (text: string) => void;
}

/** Prometheus with the flags of the compose stack, its data in a folder of its own that goes with it. */
export async function prometheus(options: Program, dataPath?: string): Promise<Running> {
  const data = dataPath ?? mkdtempSync(join(tmpdir(), 'plimsoll-prometheus-'));
  const args = [
    `--config.file=${options.configPath}`,
    `--storage.tsdb.path=${data}`,
    '--storage.tsdb.retention.time=45d',
    '--enable-feature=exemplar-storage',
    `--web.listen-address=127.0.0.1:${options.port}`,
  ];
  return server(options, args, data);
}

/** Alertmanager alone, without a cluster. */
export async function alertmanager(options: Program): Promise<Running> {
  const data = mkdtempSync(join(tmpdir(), 'plimsoll-alertmanager-'));
  const args = [
    `--config.file=${options.configPath}`,
    `--storage.path=${data}`,
    '--cluster.listen-address=',
    `--web.listen-address=127.0.0.1:${options.port}`,
  ];
  return server(options, args, data);
}

async function server({ program, port, onOutput }: Program, args: readonly string[], data: string): Promise<Running> {
  const running = await started({
    program,
    args,
    url: `http://127.0.0.1:${port}`,
    readyPath: '/-/ready',
    ...(onOutput === undefined ? {} : { onOutput }),
  });
  return {
    url: running.url,
    async stop() {
      await running.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** The answer of Prometheus' API. Throws with its message where it is not a success, and for a warning. */
export async function asked<Data>(
  url: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<Data> {
  const response = await fetch(`${url}${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const answer = (await response.json()) as {
    readonly status: string;
    readonly error?: string;
    readonly warnings?: readonly string[];
    readonly data: Data;
  };
  if (answer.status !== 'success') throw new Error(answer.error ?? `Prometheus answered ${response.status}`);
  if (answer.warnings !== undefined) throw new Error(answer.warnings.join('; '));
  return answer.data;
}
