/** What a request asks for. Operations are named as the SDK's methods are. */
export interface Route {
  readonly operation: string;
  /** The id in the path, as it stands there; empty where the route has none. */
  readonly id: string;
}

const ROUTES: readonly (readonly [method: string, path: RegExp, operation: string])[] = [
  ['POST', /^\/v1\/messages$/, 'messages.create'],
  ['POST', /^\/v1\/messages\/count_tokens$/, 'messages.count_tokens'],
  ['POST', /^\/v1\/messages\/batches$/, 'messages.batches.create'],
  ['GET', /^\/v1\/messages\/batches$/, 'messages.batches.list'],
  ['GET', /^\/v1\/messages\/batches\/([^/]+)$/, 'messages.batches.retrieve'],
  ['DELETE', /^\/v1\/messages\/batches\/([^/]+)$/, 'messages.batches.delete'],
  ['POST', /^\/v1\/messages\/batches\/([^/]+)\/cancel$/, 'messages.batches.cancel'],
  ['GET', /^\/v1\/messages\/batches\/([^/]+)\/results$/, 'messages.batches.results'],
  ['GET', /^\/v1\/models$/, 'models.list'],
  ['GET', /^\/v1\/models\/([^/]+)$/, 'models.retrieve'],
  ['POST', /^\/v1\/files$/, 'files.upload'],
  ['GET', /^\/v1\/files$/, 'files.list'],
  ['GET', /^\/v1\/files\/([^/]+)$/, 'files.retrieve_metadata'],
  ['GET', /^\/v1\/files\/([^/]+)\/content$/, 'files.download'],
  ['DELETE', /^\/v1\/files\/([^/]+)$/, 'files.delete'],
];

/** The route of a request; `other` for what is not served. */
export function route(method: string, path: string): Route {
  for (const [routeMethod, pattern, operation] of ROUTES) {
    const match = routeMethod === method ? pattern.exec(path) : null;
    if (match !== null) return { operation, id: match[1] ?? '' };
  }
  return { operation: 'other', id: '' };
}
