import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Anthropic from '@anthropic-ai/sdk';
import type { ClientOptions } from '@anthropic-ai/sdk';
import type { TracerProvider } from '@opentelemetry/api';

/** Other packages that observe calls of the SDK. Both make spans and no metrics. */
const PEERS = [
  { name: 'OpenLLMetry', instrumentation: '@traceloop/instrumentation-anthropic', version: '0.27.0' },
  { name: 'OpenInference', instrumentation: '@arizeai/openinference-instrumentation-anthropic', version: '0.2.8' },
] as const;

type Peer = (typeof PEERS)[number];

interface Instrumentation {
  setTracerProvider(provider: TracerProvider): void;
  manuallyInstrument(sdk: unknown): void;
}

interface Installed {
  readonly sdk: { readonly Anthropic: (new (options: ClientOptions) => Anthropic) & { Completions?: unknown } };
  readonly made: { readonly AnthropicInstrumentation: new () => Instrumentation };
}

class NoCompletions {
  create(): void {
    throw new Error('there are no text completions');
  }
}

/**
 * Makes clients that a peer observes, by the peer's name. Installs the peers that are not there yet in the system's temporary
 * folder, each beside a copy of the SDK of its own: a peer patches the classes of the copy that it finds, and the raw SDK must
 * stay raw. One that cannot be installed is left out.
 */
export function peerClients(
  { sdkVersion, provider }: { readonly sdkVersion: string; readonly provider: TracerProvider },
  options: ClientOptions,
): Readonly<Record<string, Anthropic>> {
  // All are loaded before any begins: each watches what is loaded from then on.
  const loaded = PEERS.flatMap((peer) => {
    try {
      return [{ name: peer.name, ...installed(peer, sdkVersion) }];
    } catch (error) {
      console.error(`${peer.name} is left out: ${String(error)}`);
      return [];
    }
  });
  for (const { sdk, made } of loaded) {
    const instrumentation = new made.AnthropicInstrumentation();
    instrumentation.setTracerProvider(provider);
    // One of them patches the text completions too, which the SDK has no more.
    sdk.Anthropic.Completions ??= NoCompletions;
    instrumentation.manuallyInstrument(sdk);
  }
  return Object.fromEntries(loaded.map(({ name, sdk }) => [name, new sdk.Anthropic(options)]));
}

function installed({ name, instrumentation, version }: Peer, sdkVersion: string): Installed {
  const folder = join(tmpdir(), `plimsoll-bench-peers-${name}-${version}-${sdkVersion}`);
  const manifest = join(folder, 'package.json');
  if (!existsSync(join(folder, 'node_modules', instrumentation))) {
    mkdirSync(folder, { recursive: true });
    const packages = [`@anthropic-ai/sdk@${sdkVersion}`, `${instrumentation}@${version}`];
    execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', ...packages]);
  }
  const require = createRequire(manifest);
  return { sdk: require('@anthropic-ai/sdk') as Installed['sdk'], made: require(instrumentation) as Installed['made'] };
}
