import { usdOf } from '../../budget/nano-usd.ts';
import type { IssuedToken } from './issue.ts';
import type { Judged } from './judge.ts';
import type { MintRequest } from './mint-request.ts';
import { newToken, secretHash, tokenText } from './token.ts';
import { DEFAULT_MINTED_SECONDS, LONGEST_MINTED_SECONDS, type MintRules } from './client.ts';

/** Why nothing is minted, for the client that asked. */
export interface MintDenial {
  readonly reasons: readonly string[];
}

/**
 * A token for a user of the client's, bound to what was asked for and to what the client may. It ends no later than the
 * token that it is minted with. All reasons why not come at once.
 */
export function mint(parent: Judged, asked: MintRequest, nowMs: number): IssuedToken | MintDenial {
  const { client, record } = parent;
  if (record.minted !== null) return { reasons: ['A minted token mints no others: use the token of the client.'] };
  if (client.mints === null) return { reasons: [`The client ${client.name} may not mint tokens.`] };
  const reasons = [
    ...modelReasons(parent, asked),
    ...originReasons(parent, asked),
    ...boundReasons(client.mints, asked),
  ];
  if (reasons.length > 0) return { reasons };
  const { id, secret } = newToken();
  const { lifetimeSeconds, spendNanoUsd } = client.mints;
  const seconds = asked.lifetimeSeconds ?? Math.min(DEFAULT_MINTED_SECONDS, lifetimeSeconds);
  const endsMs = nowMs + Math.min(seconds, LONGEST_MINTED_SECONDS) * 1_000;
  return {
    token: tokenText({ id, secret }),
    record: {
      id,
      hash: secretHash(secret),
      client: client.name,
      createdAtMs: nowMs,
      expiresAtMs: Math.min(endsMs, record.expiresAtMs ?? endsMs),
      revokedAtMs: null,
      note: '',
      minted: {
        parent: record.id,
        subject: asked.subject,
        origin: asked.origin,
        models: asked.models,
        spendNanoUsd: asked.spendNanoUsd ?? spendNanoUsd,
      },
    },
  };
}

function modelReasons({ client: { models } }: Judged, asked: MintRequest): readonly string[] {
  if (models === null || asked.models === null) return [];
  const others = asked.models.filter((model) => !models.includes(model));
  return others.map((model) => `The client may not use ${model}: it may use ${models.join(', ')}.`);
}

function originReasons({ client: { origins } }: Judged, { origin }: MintRequest): readonly string[] {
  if (origins === null || origin === null || origins.includes(origin)) return [];
  return [`The client's tokens may not be sent from ${origin}: from ${origins.join(', ')}.`];
}

function boundReasons({ spendNanoUsd, lifetimeSeconds }: MintRules, asked: MintRequest): readonly string[] {
  const tooMuch = spendNanoUsd !== null && asked.spendNanoUsd !== null && asked.spendNanoUsd > spendNanoUsd;
  const tooLong = asked.lifetimeSeconds !== null && asked.lifetimeSeconds > lifetimeSeconds;
  return [
    ...(tooMuch ? [`A token of the client's may spend up to ${usdOf(spendNanoUsd)} USD.`] : []),
    ...(tooLong ? [`A token of the client's may live up to ${lifetimeSeconds} seconds.`] : []),
  ];
}
