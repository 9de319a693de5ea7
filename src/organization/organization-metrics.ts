import type { Clock } from '../clock.ts';
import type { GaugeSeries } from '../record/metrics/series.ts';
import { OTHER, type BoundedLabel, type Store } from '../record/metrics/store.ts';
import { watchedTierOf, type OrganizationTier } from '../record/tier.ts';
import { READ_OUTCOMES, type ReadOutcome } from './admin-client.ts';
import { configuredLimits } from './configured-limits.ts';
import type { OrganizationLimits } from '../tier/verdict.ts';
import { WINDOWS, type Window } from './organization.ts';
import { CREDIT_BOUNDS, type OrganizationView, type WindowView } from './view.ts';

interface GaugesOptions {
  readonly clock: Pick<Clock, 'epochMs'>;
  readonly organization?: string | undefined;
}

const KEYS_SHOWN = 100;

const MODELS_SHOWN = 50;

/** Older figures are of other days than their windows say. */
const STANDS_MS = 48 * 3_600_000;

const DAY_SECONDS = 86_400;

/** Stands for use without a key, and for costs of no model. */
const NONE = 'none';

/** Figures while they are added up: what counts as `other` is one series. */
type Sums = Map<GaugeSeries, number>;

/** Shows what was read as metrics. What is not known is absent. */
export class OrganizationGauges {
  readonly #store: Store;
  readonly #clock: Pick<Clock, 'epochMs'>;
  readonly #organization: string;
  readonly #keys: BoundedLabel;
  readonly #models: BoundedLabel;
  readonly #tier: OrganizationTier;
  #shown: readonly GaugeSeries[] = [];

  constructor(store: Store, { clock, organization = 'default' }: GaugesOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#organization = organization;
    this.#keys = store.boundedLabel('organization_key', { reserved: [NONE], cap: KEYS_SHOWN });
    this.#models = store.boundedLabel('organization_model', { reserved: [NONE], cap: MODELS_SHOWN });
    this.#tier = watchedTierOf(store, organization, clock);
    for (const outcome of READ_OUTCOMES) this.#polls(outcome).showAtZero();
  }

  /** Counts a reading by this process. */
  polled(outcome: ReadOutcome): void {
    this.#polls(outcome).add(1);
  }

  #polls(outcome: ReadOutcome) {
    return this.#store.families.anthropic_bill_polls_total.series({ organization: this.#organization, outcome });
  }

  /** Replaces what was shown before. */
  show(view: OrganizationView | null): void {
    for (const series of this.#shown) series.clear();
    const sums: Sums = new Map();
    const stands = view !== null && this.#clock.epochMs() - view.readAtMs <= STANDS_MS;
    if (view !== null) this.#addTimes(sums, view);
    if (stands) this.#addFigures(sums, view);
    this.#tier.update({ books: stands ? booksOf(view) : null });
    for (const [series, value] of sums) series.set(value);
    this.#shown = [...sums.keys()];
  }

  #addTimes(sums: Sums, { readAtMs, refreshedAtMs, source }: OrganizationView): void {
    const organization = this.#organization;
    const { families } = this.#store;
    sums.set(families.anthropic_bill_read_timestamp_seconds.series({ organization, source }), readAtMs / 1_000);
    if (refreshedAtMs !== null)
      sums.set(families.anthropic_bill_complete_timestamp_seconds.series({ organization }), refreshedAtMs / 1_000);
  }

  #addFigures(sums: Sums, view: OrganizationView): void {
    for (const window of WINDOWS) this.#addWindow(sums, window, view.windows[window]);
    this.#addCredit(sums, view);
    this.#addKeys(sums, view);
    const organization = this.#organization;
    for (const { modelClass, dimension, limit } of configuredLimits(view.limits)) {
      const labels = { organization, model_class: this.#models.value(modelClass), dimension };
      sums.set(this.#store.families.anthropic_organization_rate_limit.series(labels), limit);
    }
  }

  #addWindow(sums: Sums, window: Window, view: WindowView): void {
    const { families } = this.#store;
    const labels = { organization: this.#organization, window };
    sums.set(families.anthropic_bill_days.series(labels), view.daysCompared);
    if (view.daysCompared === 0) return;
    sums.set(families.anthropic_bill_contradicting_days.series(labels), view.contradictingDays);
    for (const line of view.lines) {
      const place = {
        ...labels,
        key: this.#keys.value(line.key ?? NONE),
        model: this.#models.value(line.model ?? NONE),
      };
      add(sums, families.anthropic_bill_billed_usd.series(place), line.billedUsd);
      add(sums, families.anthropic_bill_listed_usd.series(place), line.listedUsd);
      if (view.isCompared) add(sums, families.anthropic_bill_recorded_usd.series(place), line.recordedUsd);
    }
    if (!view.isCompared) return;
    if (view.coverage !== null) sums.set(families.anthropic_bill_coverage_ratio.series(labels), view.coverage);
    for (const { cause, usd } of view.causes) {
      sums.set(families.anthropic_bill_difference_usd.series({ ...labels, cause }), usd);
      if (view.listedUsd > 0)
        sums.set(families.anthropic_bill_drift_ratio.series({ ...labels, cause }), usd / view.listedUsd);
    }
  }

  #addCredit(sums: Sums, { credit }: OrganizationView): void {
    if (credit === null) return;
    const { families } = this.#store;
    for (const bound of CREDIT_BOUNDS) {
      const labels = { organization: this.#organization, bound };
      const { usd, days } = credit[bound];
      sums.set(families.anthropic_credit_left_usd.series(labels), usd);
      if (days !== null) sums.set(families.anthropic_credit_left_seconds.series(labels), days * DAY_SECONDS);
    }
  }

  #addKeys(sums: Sums, { keys }: OrganizationView): void {
    const { families } = this.#store;
    for (const { key: name, status, createdAtMs, expiresAtMs, lastUsedAtMs, idleSinceMs } of keys) {
      const labels = { organization: this.#organization, key: this.#keys.value(name) };
      const shownStatus = KEY_STATUSES.has(status) ? status : OTHER;
      add(sums, families.anthropic_organization_keys.series({ ...labels, status: shownStatus }), 1);
      if (status !== 'active' || labels.key === OTHER) continue;
      least(sums, families.anthropic_organization_key_created_timestamp_seconds.series(labels), createdAtMs);
      least(sums, families.anthropic_organization_key_expires_timestamp_seconds.series(labels), expiresAtMs);
      most(sums, families.anthropic_organization_key_last_used_timestamp_seconds.series(labels), lastUsedAtMs);
      least(sums, families.anthropic_organization_key_idle_since_timestamp_seconds.series(labels), idleSinceMs);
    }
  }
}

/** Source: the API's documentation of 2026-11 and @anthropic-ai/sdk 1.14.0. */
const KEY_STATUSES: ReadonlySet<string> = new Set(['active', 'inactive', 'archived', 'expired']);

/** What the tier is told. */
function booksOf({ limits, tierCapUsd }: OrganizationView): OrganizationLimits {
  return { limits: configuredLimits(limits), monthlyCapUsd: tierCapUsd === 'unknown' ? undefined : tierCapUsd };
}

function add(sums: Sums, series: GaugeSeries, value: number): void {
  sums.set(series, (sums.get(series) ?? 0) + value);
}

function least(sums: Sums, series: GaugeSeries, atMs: number | null): void {
  if (atMs !== null) sums.set(series, Math.min(sums.get(series) ?? Infinity, atMs / 1_000));
}

function most(sums: Sums, series: GaugeSeries, atMs: number | null): void {
  if (atMs !== null) sums.set(series, Math.max(sums.get(series) ?? -Infinity, atMs / 1_000));
}
