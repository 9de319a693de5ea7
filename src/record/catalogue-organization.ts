import type { MetricDeclaration } from './metric.ts';

/** From the Admin API. */
export const ORGANIZATION_METRICS = [
  {
    name: 'anthropic_billed_cost_usd',
    type: 'gauge',
    section: 'organization',
    help: 'Cost in US dollars as the cost report of the organisation gives it, for the window.',
    unit: 'usd',
    labels: ['window', 'workspace', 'model'],
    aggregator: 'max',
  },
  {
    name: 'anthropic_estimate_drift_ratio',
    type: 'gauge',
    section: 'organization',
    help: 'Estimated cost divided by billed cost, minus 1, for the window.',
    unit: 'ratio',
    labels: ['window', 'model'],
    aggregator: 'max',
  },
  {
    name: 'anthropic_api_key_created_timestamp_seconds',
    type: 'gauge',
    section: 'organization',
    help: 'When the API key was created.',
    unit: 'seconds',
    labels: ['api_key_id', 'name', 'workspace'],
    aggregator: 'max',
  },
  {
    name: 'anthropic_api_key_expires_timestamp_seconds',
    type: 'gauge',
    section: 'organization',
    help: 'When the API key expires; absent where it does not.',
    unit: 'seconds',
    labels: ['api_key_id', 'name', 'workspace'],
    aggregator: 'max',
  },
  {
    name: 'anthropic_api_key_active',
    type: 'gauge',
    section: 'organization',
    help: 'Whether the API key can be used: 1 or 0.',
    unit: null,
    labels: ['api_key_id', 'name', 'workspace'],
    aggregator: 'max',
  },
] as const satisfies readonly MetricDeclaration[];
