import type { Notice, Problem } from '../errors.ts';

/** The steps, in the order in which they are taken. */
export type StepName =
  'configuration' | 'dns' | 'connection' | 'tls' | 'credentials' | 'model' | 'prompt' | 'tier' | 'clock';

/** `warned`: it does not stop calls, and had better be looked at. */
export type StepStatus = 'ok' | 'warned' | 'failed' | 'skipped';

/** A step that was taken. */
export interface Step {
  readonly name: StepName;
  readonly status: StepStatus;
  readonly durationMs: number;
  /** The outcome in a few words, without a secret. */
  readonly text: string;
}

/** Why calls cannot be made. These names are stable. */
export type Cause =
  | 'no_key'
  | 'wrong_key'
  | 'configuration'
  | 'dns'
  | 'connection_refused'
  | 'connection_broken'
  | 'unreachable'
  | 'certificate'
  | 'no_tls'
  | 'proxy'
  | 'timeout'
  | 'unauthorized'
  | 'forbidden'
  | 'billing'
  | 'spend_limit'
  | 'model_unknown'
  | 'model_retired'
  | 'rate_limited'
  | 'overloaded'
  | 'server_error'
  | 'unexpected';

/** The likely cause of a failure, and the next thing to do; whole sentences, without a secret. */
export interface Diagnosis {
  readonly cause: Cause;
  readonly text: string;
  readonly next: string;
}

/** The result of a check. */
export interface CheckReport {
  readonly ok: boolean;
  readonly baseUrl: string;
  readonly model: string;
  /** Those that were taken: the first that fails is the last, but for the clock. */
  readonly steps: readonly Step[];
  /** `null` where nothing failed. */
  readonly diagnosis: Diagnosis | null;
  /** The problems of the configuration; empty where it can be used. */
  readonly problems: readonly Problem[];
  /** Settings that work and had better be changed. */
  readonly notices: readonly Notice[];
  /** `null` where the limits seen imply none. */
  readonly tier: string | null;
  /** The API's clock less this one; `null` where no answer came. */
  readonly clockSkewSeconds: number | null;
  /** The cost of the prompt; `null` where it was not answered, or its price is not known. */
  readonly costNanoUsd: number | null;
}

/** A step that cannot be passed. */
export class CheckFailure extends Error {
  readonly code = 'PLIMSOLL_CHECK_FAILED';
  readonly diagnosis: Diagnosis;

  /** `seen` is what the step shows. */
  constructor(seen: string, diagnosis: Diagnosis) {
    super(seen);
    this.name = 'CheckFailure';
    this.diagnosis = diagnosis;
  }
}
