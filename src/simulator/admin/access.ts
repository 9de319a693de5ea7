import type { ApiRequest } from '../api-request.ts';
import { DEFAULT_ORGANIZATION, secretOf } from '../credentials.ts';
import { refusal, type Refusal } from '../errors.ts';
import type { SimulatorState } from '../state.ts';
import type { OrganizationOptions } from './organization-options.ts';

/** The refusal of an Admin request, with the seconds to wait where there are some; `null` if it may be answered. */
interface AdminDenial {
  readonly refusal: Refusal;
  readonly retryAfterSeconds?: number;
}

/** Decides who may read what. A workspace's key may only ask whose it is. */
export function adminDenial(state: SimulatorState, request: ApiRequest): AdminDenial | null {
  const { kind = 'console', readsPerMinute = 60, outages = [] } = state.options.organization ?? {};
  const nowMs = state.clock.now();
  if (outages.some(({ startMs, endMs }) => nowMs >= startMs && nowMs < endMs))
    return { refusal: refusal('server_error') };
  const denied = keyDenial(state, request);
  if (denied !== null) return { refusal: denied };
  if (kind === 'none')
    return { refusal: refusal('permission_denied', { message: 'The Admin API needs an organization.' }) };
  if (request.operation.startsWith('organization.analytics.')) {
    const why = analyticsDenial(kind, request.raw.headers);
    if (why !== null) return { refusal: why };
  }
  const waitSeconds = state.reads.take(readsPerMinute, nowMs);
  if (waitSeconds === null) return null;
  const message = 'This request would exceed the rate limit of the Admin API.';
  return {
    refusal: { status: 429, type: 'rate_limit_error', message, retryAfter: true },
    retryAfterSeconds: waitSeconds,
  };
}

function keyDenial(state: SimulatorState, { raw, operation }: ApiRequest): Refusal | null {
  const secret = secretOf(raw.headers);
  if (secret === null) return refusal('unauthorized', { message: 'x-api-key header is required' });
  if (isAdminKey(state, secret)) return null;
  if (secret.startsWith('sk-ant-admin01-')) return refusal('unauthorized');
  const { keys } = state.options;
  if (keys !== undefined && !keys.some(({ key }) => key === secret)) return refusal('unauthorized');
  if (operation === 'organization.retrieve') return null;
  const message = 'This API key has the scopes [workspace]; the endpoint needs an Admin API key.';
  return refusal('permission_denied', { message });
}

function isAdminKey(state: SimulatorState, secret: string): boolean {
  const accepted = state.options.organization?.adminKeys;
  return accepted === undefined ? secret.startsWith('sk-ant-admin01-') : accepted.includes(secret);
}

const ANALYTICS_BETA = 'analytics-usage-cost-2026-08-24';

function analyticsDenial(kind: NonNullable<OrganizationOptions['kind']>, headers: Headers): Refusal | null {
  if (!(headers.get('anthropic-beta') ?? '').includes(ANALYTICS_BETA)) return refusal('not_found');
  if (kind === 'legacy') {
    return refusal('permission_denied', { message: 'Your API key does not have the scope read:analytics.' });
  }
  if (kind !== 'hipaa') return null;
  return refusal('invalid_request', {
    message: 'Usage and cost reports are not available to HIPAA-ready organizations.',
  });
}

/** The organization as `GET /v1/organizations/me` shows it. */
export function organizationJson({ options }: SimulatorState): Readonly<Record<string, unknown>> {
  return { id: DEFAULT_ORGANIZATION, type: 'organization', name: options.organization?.name ?? 'Simulated' };
}
