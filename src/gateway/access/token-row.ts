import type { MintedTerms, TokenRecord } from './token-store.ts';

/** A record as stores keep it: texts and numbers by name. Numbers may come back as texts. */
export interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly client: string;
  readonly created: number;
  readonly expires: number | null;
  readonly revoked: number | null;
  readonly note: string;
  /** JSON; `null` for what was not minted. */
  readonly minted: string | null;
}

export function rowOf(record: TokenRecord): TokenRow {
  const { minted } = record;
  return {
    id: record.id,
    hash: record.hash,
    client: record.client,
    created: record.createdAtMs,
    expires: record.expiresAtMs,
    revoked: record.revokedAtMs,
    note: record.note,
    minted: minted && JSON.stringify({ ...minted, spendNanoUsd: minted.spendNanoUsd?.toString() ?? null }),
  };
}

/** Of a row that `rowOf` made; empty texts are as good as `null`. */
export function recordOf(row: Readonly<Record<string, unknown>>): TokenRecord {
  const minted = textOf(row['minted']);
  return {
    id: String(row['id']),
    hash: String(row['hash']),
    client: String(row['client']),
    createdAtMs: Number(row['created']),
    expiresAtMs: numberOf(row['expires']),
    revokedAtMs: numberOf(row['revoked']),
    note: textOf(row['note']),
    minted: minted === '' ? null : mintedOf(minted),
  };
}

function mintedOf(text: string): MintedTerms {
  const kept = JSON.parse(text) as Omit<MintedTerms, 'spendNanoUsd'> & { readonly spendNanoUsd: string | null };
  return { ...kept, spendNanoUsd: kept.spendNanoUsd === null ? null : BigInt(kept.spendNanoUsd) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number | null {
  return value === null || value === undefined || value === '' ? null : Number(value);
}
