import type { Notice, Problem } from '../errors.ts';

/** The steps, in order. */
export type StepName =
  'configuration' | 'dns' | 'connection' | 'tls' | 'credentials' | 'model' | 'prompt' | 'tier' | 'clock';

/** `warned` does not stop calls, but needs attention. */
export type StepStatus = 'ok' | 'warned' | 'failed' | 'skipped';

/** A step that was taken. */
export interface Step {
  readonly name: StepName;
  readonly status: StepStatus;
  readonly durationMs: number;
  /** The result in a few words, without a secret. */
  readonly text: string;
}

/** The causes of a failed check. These names are stable. */
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

/** The likely cause of a failure, and what to do next; whole sentences, without a secret. */
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
  /** The steps taken: the first failed step is the last, except for the clock. */
  readonly steps: readonly Step[];
  /** `null` if nothing failed. */
  readonly diagnosis: Diagnosis | null;
  /** The problems of the configuration; empty if it can be used. */
  readonly problems: readonly Problem[];
  /** Settings that work and should be changed. */
  readonly notices: readonly Notice[];
  /** `null` if the observed limits imply none. */
  readonly tier: string | null;
  /** The API's clock minus this one; `null` if there was no response. */
  readonly clockSkewSeconds: number | null;
  /** The cost of the prompt; `null` if there was no response, or its price is unknown. */
  readonly costNanoUsd: number | null;
}

/** A failed step. */
export class CheckFailure extends Error {
  readonly code = 'PLIMSOLL_CHECK_FAILED';
  readonly diagnosis: Diagnosis;

  /** `seen` is the text of the step. */
  constructor(seen: string, diagnosis: Diagnosis) {
    super(seen);
    this.name = 'CheckFailure';
    this.diagnosis = diagnosis;
  }
}
