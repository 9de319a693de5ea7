/** How a secret was written where it was found. `escaped`: with `%2D`, `\u002d` or the like for its dashes. */
export type Disguise = 'plain' | 'escaped' | 'base64';

/** A secret that was found. Nothing in it is secret. */
export interface Finding {
  /** The kind of secret, as keys/secrets.ts names it. */
  readonly kind: string;
  /** As much of the secret as may be shown: `sk-ant-api03-…`. */
  readonly shown: string;
  /** The same for the same secret, wherever it is found: of its SHA-256, so it says nothing of the secret. */
  readonly fingerprint: string;
  /** What is inside an archive or a source map is named behind an `!`: `app.tgz!package/index.js`. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** In characters, from 1. */
  readonly column: number;
  readonly disguise: Disguise;
  /** Where git's history was scanned: the oldest commit that has it. */
  readonly commit: string | null;
}

/** Something that was asked for and not looked into, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}
