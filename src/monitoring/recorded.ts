import type { SloWindow } from './slo-windows.ts';

/** The names of what recording rules keep; dashboards and alerts ask for these. */
export const RECORDED = {
  attempts: (window: '5m' | '1h') => `job_key_model:anthropic_attempts:increase${window}`,
  rateLimited: (window: '5m' | '1h') => `job_key_model_reason:anthropic_rate_limited:ratio_increase${window}`,
  overloaded: (window: '5m' | '1h') => `job_key_model:anthropic_overloaded:ratio_increase${window}`,
  failures: (window: SloWindow) => `job_key_model:anthropic_requests_failed:ratio_rate${window}`,
  slow: (window: SloWindow) => `job_key_model:anthropic_requests_slow:ratio_rate${window}`,
  failuresCounted: (window: SloWindow) => `job_key_model:anthropic_requests_failed:increase${window}`,
  slowCounted: (window: SloWindow) => `job_key_model:anthropic_requests_slow:increase${window}`,
  retriesPerCall: 'job_key_model:anthropic_retries_per_request:ratio_increase5m',
  waitShare: 'job_key_model:anthropic_retry_wait:ratio_increase5m',
  headroom: 'key_model_class_dimension:anthropic_ratelimit_headroom:ratio',
  budgetSpent: 'budget_period_scope:anthropic_budget_spent_usd:sum',
  budgetReserved: 'budget_period_scope:anthropic_budget_reserved_usd:sum',
  budgetForecast: 'budget_period_scope:anthropic_budget_forecast_usd:sum',
  budgetLimit: 'budget_period_scope:anthropic_budget_limit_usd:max',
  budgetEvenPace: 'budget_period_scope:anthropic_budget_even_pace_usd_per_second:max',
  tierSpend: 'organization:anthropic_tier_spend_usd:sum',
  tierProgress: 'organization:anthropic_tier_progress:ratio',
  costPerCall: 'job_model:anthropic_cost_usd_per_request:ratio_rate6h',
  tokensPerCall: 'job_model:anthropic_tokens_per_request:ratio_rate6h',
  answered: 'job_model:anthropic_requests_answered:increase6h',
} as const;
