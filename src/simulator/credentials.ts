/** A key that the simulator accepts, and whose it is. */
export interface AcceptedKey {
  /** How truth names it. */
  readonly name: string;
  readonly key: string;
  /** The id of its organization, whose limits and spend it shares; default: the simulator's own. */
  readonly organization?: string;
  /** Sent as `anthropic-workspace-id`; no such header where there is none. */
  readonly workspace?: string;
}

/** Who sent a request. */
export interface Caller {
  /** `null` where the key is not accepted; so is the organization then. */
  readonly name: string | null;
  readonly organization: string | null;
  readonly workspace: string | null;
}

/** The organization of keys that name none. */
export const DEFAULT_ORGANIZATION = '5f0c2b7e-3d41-4c8a-9e56-0b1d7a2f8c34';

/** A caller whose key is not accepted. */
export const UNKNOWN_CALLER: Caller = { name: null, organization: null, workspace: null };

/**
 * Who sent a request, by `Authorization: Bearer` or `x-api-key`; or why that is not known, in the API's words.
 * Where no keys are configured, any key is accepted under the name `any`.
 */
export function callerOf(
  headers: Headers,
  accepted: readonly AcceptedKey[] | undefined,
): { readonly ok: Caller } | { readonly why: string } {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  const apiKey = headers.get('x-api-key');
  if (!bearer && !apiKey) return { why: 'x-api-key header is required' };
  if (accepted === undefined) return { ok: { name: 'any', organization: DEFAULT_ORGANIZATION, workspace: null } };
  const known = accepted.find((each) => each.key === bearer || each.key === apiKey);
  if (known === undefined) return { why: bearer === undefined ? 'invalid x-api-key' : 'Invalid bearer token' };
  const { name, organization = DEFAULT_ORGANIZATION, workspace = null } = known;
  return { ok: { name, organization, workspace } };
}
