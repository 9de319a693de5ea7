/**
 * The resources of the API besides messages, models and files, with their collections and what can be done with them: the
 * paths of SDK 1.14.0. What asks for an Admin API key is not among them: `organizations`, and `compliance`.
 */
const COLLECTIONS = {
  skills: { skills: 'list create retrieve delete', 'skills/ID/versions': 'list create retrieve delete' },
  user_profiles: { user_profiles: 'list create retrieve update delete enrollment_url action_urls' },
  agents: { agents: 'list create retrieve update archive', 'agents/ID/versions': 'list' },
  deployments: { deployments: 'list create retrieve update archive pause run unpause' },
  deployment_runs: { deployment_runs: 'list retrieve' },
  dreams: { dreams: 'list create retrieve archive cancel' },
  environments: {
    environments: 'list create retrieve update delete archive',
    'environments/ID/work': 'list retrieve update ack heartbeat stop',
  },
  memory_stores: {
    memory_stores: 'list create retrieve update delete archive',
    'memory_stores/ID/memories': 'list create retrieve update delete',
    'memory_stores/ID/memory_versions': 'list retrieve redact',
  },
  sessions: {
    sessions: 'list create retrieve update delete archive',
    'sessions/ID/events': 'list',
    'sessions/ID/resources': 'list retrieve update delete',
    'sessions/ID/threads': 'list retrieve archive',
    'sessions/ID/threads/ID/events': 'list',
  },
  tunnels: {
    tunnels: 'list create retrieve archive reveal_token rotate_token',
    'tunnels/ID/certificates': 'list create retrieve archive',
  },
  vaults: {
    vaults: 'list create retrieve update delete archive',
    'vaults/ID/credentials': 'list create retrieve update delete archive mcp_oauth_validate',
  },
} as const;

/** A resource of the API besides messages, models and files. */
type Resource = keyof typeof COLLECTIONS;

export const RESOURCES = Object.keys(COLLECTIONS) as readonly Resource[];

/** What has a path of its own form. They come first: an id could be spelled like one of these words. */
const SPECIAL: readonly (readonly [request: string, operation: string])[] = [
  ['GET environments/ID/work/poll', 'environments.work.poll'],
  ['GET environments/ID/work/stats', 'environments.work.stats'],
  ['POST sessions/ID/events', 'sessions.events.send'],
  ['POST sessions/ID/resources', 'sessions.resources.add'],
  ['GET sessions/ID/events/stream', 'sessions.events.stream'],
  ['GET sessions/ID/threads/ID/stream', 'sessions.threads.stream'],
  ['GET user_profiles/ID/providers/google/data_controls', 'user_profiles.providers.google.data_controls.retrieve'],
  ['POST user_profiles/ID/providers/google/data_controls', 'user_profiles.providers.google.data_controls.update'],
  ['GET skills/ID/versions/ID/content', 'skills.versions.download'],
];

/** Method and the end of the path; any other verb is a POST to a path that ends with it. */
const VERBS: Readonly<Record<string, readonly [method: string, end: string]>> = {
  list: ['GET', ''],
  create: ['POST', ''],
  retrieve: ['GET', '/ID'],
  update: ['POST', '/ID'],
  delete: ['DELETE', '/ID'],
};

/** Letters, digits and a few signs. Never `.` or `..` alone, never percent-encoded. */
const ID = '(?!\\.{1,2}(?:/|$))[\\w.@:-]{1,256}';

/** Made when a request first asks: most programs only ever create messages, and the patterns take a while to make. */
let operations: readonly (readonly [RegExp, string])[] | null = null;

function allOperations(): readonly (readonly [RegExp, string])[] {
  const regular = Object.values(COLLECTIONS).flatMap((collections) =>
    Object.entries(collections).flatMap(([path, verbs]) => verbs.split(' ').map((verb) => withVerb(path, verb))),
  );
  return [...SPECIAL, ...regular].map(([request, name]) => [new RegExp(`^${request.replaceAll('ID', ID)}$`), name]);
}

function withVerb(path: string, verb: string): readonly [string, string] {
  const [method, end] = VERBS[verb] ?? ['POST', `/ID/${verb}`];
  return [`${method} ${path}${end}`, `${path.replaceAll('/ID/', '.')}.${verb}`];
}

/** Names the operation of `GET sessions/sesn_1`, a method and a path below `/v1/`; `null` if no resource has it. */
export function resourceOperation(request: string): string | null {
  operations ??= allOperations();
  return operations.find(([shape]) => shape.test(request))?.[1] ?? null;
}
