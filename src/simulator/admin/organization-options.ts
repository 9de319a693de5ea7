import type { ClassLimits } from '../limits.ts';
import type { BookRules } from './books.ts';

/** Options of the organization and of its Admin API. */
export interface OrganizationOptions extends BookRules {
  readonly name?: string;
  /** Admin keys that are accepted. Default: any that begins with `sk-ant-admin01-`. */
  readonly adminKeys?: readonly string[];
  /**
   * `console` (default) has `/analytics` and the older reports; `legacy` only the older ones; `hipaa` gets a 400 from
   * `/analytics`; `none` has no organization: no Admin API at all.
   */
  readonly kind?: 'console' | 'legacy' | 'hipaa' | 'none';
  /** Milliseconds from use to its report. Default: 4 hours. */
  readonly lagMs?: number;
  /** Percent off the list price, as a decimal string. Default `0`. */
  readonly discountPercent?: string;
  /** The name that reports give to a model on a UTC day. Default: as it was billed. */
  readonly reportedModel?: (model: string, day: string) => string;
  /** Milliseconds for which a page's cursor is good. Default: 10 minutes. */
  readonly cursorMs?: number;
  /** Reads per minute of all Admin endpoints. Default 60. */
  readonly readsPerMinute?: number;
  /** Times in which every Admin endpoint answers 500. Milliseconds since the Unix epoch. */
  readonly outages?: readonly { readonly startMs: number; readonly endMs: number }[];
  /** Limits of workspaces below the organization's, by id and model class. They are shown, not enforced. */
  readonly workspaceLimits?: Readonly<Record<string, Readonly<Record<string, Partial<ClassLimits>>>>>;
  /** Spend limits can be read, as in the early-access preview. Default `false`. */
  readonly spendLimits?: boolean;
}
