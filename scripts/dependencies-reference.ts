/** Writes the tables of `docs/dependencies.md`: the reason for each dependency, with its license from the lock file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** By package, as package.json names it. */
type Reasons = Readonly<Record<string, string>>;

export const PEER_REASONS: Reasons = {
  '@anthropic-ai/sdk': 'The SDK that plimsoll observes; 0.103 is the first with the hooks that it needs.',
  '@opentelemetry/api': "Spans go to the application's tracer.",
  'prom-client': "Metrics join the application's registry.",
  '@opentelemetry/sdk-node': 'Optional: starts tracing where the application has not.',
  express: 'Optional: attribution and the metrics page for Express 4 and 5.',
  ioredis: 'Optional: budgets, tokens and rate limits of a fleet, in Redis or Valkey.',
  yaml: 'Optional: budget files in YAML; JSON needs nothing.',
};

export const DEVELOPMENT_REASONS: Reasons = {
  '@ai-sdk/anthropic': 'Tests measure the AI SDK. Exact version: it has its own retries and headers.',
  '@anthropic-ai/aws-sdk': '`npm run fuzz:transparent` compares its client with and without plimsoll.',
  '@anthropic-ai/bedrock-sdk': 'The same for Amazon Bedrock.',
  '@anthropic-ai/foundry-sdk': 'The same for Microsoft Foundry.',
  '@anthropic-ai/google-cloud-sdk': 'The same for Claude on Google Cloud.',
  '@anthropic-ai/vertex-sdk': 'The same for Vertex AI.',
  '@arethetypeswrong/cli':
    'Types resolve for every kind of importer. `cjs-resolves-to-esm` is ignored: Node 22 requires ES modules.',
  '@grafana/grafana-foundation-sdk':
    'A dashboard with a misspelled option does not compile. Exact version: it changes without notice.',
  '@kubernetes-models/prometheus-operator':
    "The operator's schemas check exports and the chart. Exact version: they change only on purpose.",
  '@langchain/anthropic': 'Tests measure LangChain. Exact version: it brings an SDK of its own.',
  '@langchain/core': 'Peer of `@langchain/anthropic`.',
  '@lezer/common': 'Peer of `@lezer/lr`.',
  '@lezer/lr': 'Runs the grammar of `@prometheus-io/lezer-promql`.',
  '@opentelemetry/context-async-hooks': 'Tests run with a context manager and without.',
  '@opentelemetry/exporter-metrics-otlp-proto': 'Tests send real OTLP metrics.',
  '@opentelemetry/exporter-trace-otlp-proto': 'Tests send real OTLP spans.',
  '@opentelemetry/sdk-metrics': 'The real meter, in the version of sdk-node: two copies do not mix.',
  '@opentelemetry/sdk-trace': 'The real tracer, likewise.',
  '@prometheus-io/lezer-promql': "Prometheus's grammar, for every query.",
  express4: 'Tests run Express 4 too.',
  '@types/express': 'Express ships no types.',
  '@types/node': 'Types of the lowest supported Node: a newer API does not compile.',
  ai: "The AI SDK's tools and retries.",
  dclint: 'Checks docker-compose.yml without Docker.',
  'dependency-cruiser': 'Enforces the direction of imports.',
  esbuild: "Tests bundle the README's program.",
  eslint: 'Enforces the style rules.',
  'fast-check': 'Properties, such as: any split of a stream gives the same usage.',
  'kubernetes-models': "Kubernetes' schemas check manifests without a cluster.",
  node: 'The Node version of scripts and tests.',
  'node-fetch': 'A fetch whose bodies are Node streams.',
  'node-fetch2': 'The one that older programs hand to the SDK.',
  'axe-core': 'Tests the accessibility of the live page.',
  marked: 'Turns the runbooks into pages that the live page serves.',
  'playwright-core': "Drives the machine's own Chromium.",
  prettier: 'Formats the code.',
  protobufjs: 'Decodes what the OTLP exporters sent.',
  publint: 'The manifest and the files agree.',
  rollup: 'Joins the code into a few chunks: see below.',
  'rollup-plugin-dts': "Joins tsc's declarations.",
  'sdk-between': 'An SDK within the peer range: the one that `@langchain/anthropic` brings.',
  'sdk-lowest': 'The lowest SDK of the peer range.',
  'sdk-too-old': 'An SDK below the peer range: tests check the error that its users get.',
  typescript: 'Checks, compiles and writes declarations.',
  'typescript-eslint': 'Rules that know types: lost promises above all.',
  undici: "A fetch with classes other than Node's.",
  uplot: 'Charts of the live page: 23 kB compressed, no dependency.',
  yaml: 'Tests read budgets, the compose file and rules.',
  zod: 'Peer of `ai` and `@langchain/anthropic`.',
};

interface Locked {
  readonly packages: Readonly<Record<string, { readonly license?: string }>>;
}

/** A row for each package: its name, its license, and why it is needed. */
export function dependencyTable(reasons: Reasons): string {
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8')) as Locked;
  const rows = Object.entries(reasons).map(([name, reason]) => {
    const { license = '' } = lock.packages[`node_modules/${name}`] ?? {};
    return `| \`${name}\` | ${license} | ${reason} |`;
  });
  return ['| package | license | why |', '| --- | --- | --- |', ...rows].join('\n');
}
