import type { AdminClient } from './admin-client.ts';
import type { OrganizationKey } from './key-groups.ts';
import { rowIn, textIn } from './report-rows.ts';

type Row = Readonly<Record<string, unknown>>;

/** Limits of models that share them. */
export interface ConfiguredLimit {
  /** The API's name of the group, or its type for limits of no model. */
  readonly group: string;
  readonly models: readonly string[];
  /** `requests_per_minute`, `input_tokens_per_minute_cache_aware`, …: an open set. */
  readonly limiter: string;
  readonly value: number;
}

/** Reads the keys of the organization. */
export async function readKeys(client: AdminClient): Promise<readonly OrganizationKey[]> {
  return (await listed(client, 'api_keys', {})).map(keyFrom);
}

/** Reads the names of workspaces by id, those of archived ones and of the default one too. */
export async function readWorkspaces(client: AdminClient): Promise<ReadonlyMap<string, string>> {
  const rows = await listed(client, 'workspaces', { include_archived: true, include_default: true });
  return new Map(rows.map((row) => [textIn(row, 'id') ?? '', textIn(row, 'name') ?? '']));
}

/** All rows of a list, a thousand at a time. */
async function listed(client: AdminClient, path: string, query: Row): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let after: string | null = null; ;) {
    const page = { ...query, limit: 1_000, ...(after !== null && { after_id: after }) };
    const answer: Row = rowIn(await client.get(path, page), 'a page');
    rows.push(...rowsIn(answer, 'data'));
    after = answer['has_more'] === true ? textIn(answer, 'last_id') : null;
    if (after === null) return rows;
  }
}

function keyFrom(row: Row): OrganizationKey {
  const scope = row['scope'] === undefined || row['scope'] === null ? {} : rowIn(row['scope'], 'scope');
  return {
    id: textIn(row, 'id') ?? '',
    name: textIn(row, 'name') ?? '',
    hint: textIn(row, 'partial_key_hint'),
    status: textIn(row, 'status') ?? 'unknown',
    createdAtMs: timeIn(row, 'created_at'),
    expiresAtMs: timeIn(row, 'expires_at'),
    workspaceId: textIn(scope, 'workspace_id') ?? textIn(row, 'workspace_id'),
  };
}

function timeIn(row: Row, name: string): number | null {
  const text = textIn(row, name);
  return text === null ? null : Date.parse(text);
}

/** Reads the limits that the organization really has. */
export async function readLimits(client: AdminClient): Promise<readonly ConfiguredLimit[]> {
  const answer = rowIn(await client.get('rate_limits', { limit: 1_000 }), 'a page');
  return rowsIn(answer, 'data').flatMap((row) => {
    const group = rowIn(row['group'] ?? {}, 'group');
    const models = row['models'];
    return rowsIn(row, 'limits').map((limit) => ({
      group: textIn(group, 'display_name') ?? textIn(group, 'type') ?? 'unknown',
      models: Array.isArray(models) ? models.filter((model) => typeof model === 'string') : [],
      limiter: textIn(limit, 'type') ?? 'unknown',
      value: Number(limit['value']),
    }));
  });
}

/**
 * The monthly cap of the usage tier in US dollars; `null` for none, `undefined` where none is listed, which is not known.
 * Throws where spend limits cannot be read.
 */
export async function readTierCapUsd(client: AdminClient): Promise<number | null | undefined> {
  const answer = rowIn(await client.get('spend_limits', { scope_type: ['usage_tier'] }, [SPEND_LIMIT_BETA]), 'a page');
  const [limit] = rowsIn(answer, 'data');
  if (limit === undefined) return undefined;
  const cents = textIn(limit, 'amount');
  return cents === null ? null : Number(cents) / 100;
}

const SPEND_LIMIT_BETA = 'spend-limit-reads-2026-09-26';

function rowsIn(row: Row, name: string): readonly Row[] {
  const rows = row[name];
  return Array.isArray(rows) ? rows.map((each) => rowIn(each, name)) : [];
}
