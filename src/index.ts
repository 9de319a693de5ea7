export { instrument, uninstrument } from './client/instrument.ts';
export type { InstrumentableClient } from './client/instrument.ts';
export { instrumentFetch } from './client/instrument-fetch.ts';
export type { InstrumentFetchOptions } from './client/instrument-fetch.ts';
export type { InstrumentOptions } from './client/options.ts';
export type { AttributionDeclaration } from './record/call-labels.ts';
export { clientFromEnvironment } from './client/from-environment.ts';
export type { EnvironmentClientOptions } from './client/from-environment.ts';
export { environment, environmentReport } from './environment/environment.ts';
export type { Configuration, EnvironmentReport } from './environment/environment.ts';
export { withAttribution } from './client/attribution.ts';
export { flush } from './client/flush.ts';
export type { Flushable } from './client/flush.ts';
export { metricsHandler } from './record/metrics/page.ts';
export type { MetricsHandlerOptions } from './record/metrics/page.ts';
export type { MetricRegistry } from './record/metrics/registry.ts';
export { tierReport } from './record/tier.ts';
export type { TierReport, TierReportOptions } from './record/tier.ts';
export { retryPolicy } from './retry/policy.ts';
export type { RetryPolicyOptions } from './retry/policy.ts';
export { RetryBudget } from './retry/retry-budget.ts';
export type { RetryBudgetOptions } from './retry/retry-budget.ts';
export { routes } from './routing/routes.ts';
export type { RouteDefinition, RouteParams, Routes, RoutesOptions } from './routing/routes.ts';
export { isRouteError, RouteError } from './routing/routes.ts';
export type { CeilingMode } from './routing/routes.ts';
export type { Models, Task } from './routing/models.ts';
export type { PublishedDimension } from './tier/tiers.ts';
export { costOn } from './pricing/cost.ts';
export type { Pricing } from './pricing/cost.ts';
export { loadPrices, pricesFrom } from './pricing/prices.ts';
export { defaultPrices } from './pricing/prices.ts';
export type { PriceTable } from './pricing/prices.ts';
export { ConfigurationError, sentenceOf } from './errors.ts';
export type { Notice, Problem, ProblemKind } from './errors.ts';
export type { Clock } from './clock.ts';
export { REFUSAL } from './decisions.ts';
export { GuardFailedError, isGuardFailed } from './observe/admission.ts';
export type {
  Admission,
  CallSpend,
  Guard,
  GuardFailure,
  GuardedRequest,
  Patience,
  RefusedAttempt,
  RetryDecision,
  RetryPolicy,
  SpendGuard,
} from './decisions.ts';
export type {
  BatchOutcome,
  CacheMiss,
  CacheMissReason,
  CostDoubt,
  PartRefusal,
  PartRole,
  RefusalBilling,
  RefusalCategory,
} from './answers.ts';
export type { LimitDimension, Limiter } from './limiter.ts';
export type {
  Attempt,
  Attribution,
  BatchResult,
  Call,
  CallCost,
  CallRecorder,
  Cost,
  CostKind,
  Outcome,
  PricedPart,
  RateLimitReason,
  Recorder,
  Rejection,
  RetryDenial,
  SpendScope,
  TokenKind,
  Tokens,
  Usage,
  UsagePart,
} from './vocabulary.ts';
export type { Endpoint, Platform } from './platform.ts';
export type { CallDetails, Trace } from './trace.ts';
