/** A key that the simulator accepts, and its owner. */
export interface AcceptedKey {
  /** Its name in `truth`. */
  readonly name: string;
  readonly key: string;
  /** The id of its organization, whose limits and spend it shares. Default: the simulator's own. */
  readonly organization?: string;
  /** Sent as `anthropic-workspace-id`. Default: no such header, and the default workspace; `null`: no workspace's key. */
  readonly workspace?: string | null;
  /** Its id in the Admin API. Default: one made of the name. */
  readonly id?: string;
  /** RFC 3339. Default: 2026-01-05. */
  readonly createdAt?: string;
  /** RFC 3339. Default: never. */
  readonly expiresAt?: string;
  /** Default: `active`. */
  readonly status?: 'active' | 'inactive' | 'archived';
}

/** Stands for every key where none are configured and all are accepted. */
export const ANY_KEY: AcceptedKey = { name: 'any', key: ['sk-ant', 'api03', 'any'].join('-') };

/** The sender of a request. */
export interface Caller {
  /** `null` if the key is not accepted; then `organization` is `null` too. */
  readonly name: string | null;
  readonly organization: string | null;
  readonly workspace: string | null;
}

/** The organization of keys without one. */
export const DEFAULT_ORGANIZATION = '5f0c2b7e-3d41-4c8a-9e56-0b1d7a2f8c34';

/** The secret that a request is sent with; `null` for none. */
export function secretOf(headers: Headers): string | null {
  const bearer = /^bearer\s+(\S.*)$/i.exec(headers.get('authorization') ?? '')?.[1];
  return bearer ?? (headers.get('x-api-key') || null);
}

/** A caller whose key is not accepted. */
export const UNKNOWN_CALLER: Caller = { name: null, organization: null, workspace: null };

/**
 * Identifies the sender by `Authorization: Bearer` or `x-api-key`, or says in the API's words why it cannot. If no keys are
 * configured, any key is accepted under the name `any`.
 */
export function callerOf(
  headers: Headers,
  accepted: readonly AcceptedKey[] | undefined,
): { readonly ok: Caller } | { readonly why: string } {
  const bearer = /^bearer\s+(\S.*)$/i.exec(headers.get('authorization') ?? '')?.[1];
  const apiKey = headers.get('x-api-key');
  if (!bearer && !apiKey) return { why: 'x-api-key header is required' };
  // An admin key answers no messages, in whatever header it comes.
  if ([bearer, apiKey].some((secret) => secret?.startsWith('sk-ant-admin'))) return { why: 'invalid x-api-key' };
  if (accepted === undefined)
    return { ok: { name: ANY_KEY.name, organization: DEFAULT_ORGANIZATION, workspace: null } };
  const known = accepted.find((each) => each.key === bearer || each.key === apiKey);
  if (known === undefined) return { why: bearer === undefined ? 'invalid x-api-key' : 'Invalid bearer token' };
  const { name, organization = DEFAULT_ORGANIZATION, workspace = null } = known;
  return { ok: { name, organization, workspace } };
}
