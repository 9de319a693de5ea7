/** Listens to a body while its reader reads it. Methods must not throw, wait or keep the bytes. */
export interface BodyListener {
  /** The next bytes, each once, in order, whichever branch of the body gets them first. */
  chunk(bytes: Uint8Array): void;
  /** The body is over: read to its end (`unread`: but not to be looked into), failed, or given up. Exactly once. */
  end(how: BodyEnd): void;
}

export type BodyEnd = 'done' | 'unread' | 'failed' | 'aborted' | 'cancelled' | 'abandoned';

/** One body and all the branches that `tee` and `clone` made of it. */
export class Tap {
  readonly listener: BodyListener;
  seenBytes = 0;
  openBranches = 1;
  over = false;

  constructor(listener: BodyListener) {
    this.listener = listener;
  }
}

/** The state of one readable body. */
export interface Branch {
  readonly tap: Tap;
  offset: number;
  over: boolean;
  /** Until it joins the registry, or is over: then a dropped body must be collectable. */
  body: object | null;
  /** Its place among the fresh ones. */
  readonly place: number;
  /** A method of the body's own is at work: what it calls in turn is a part of it. */
  isInside: boolean;
  /** The branch of an earlier tap of the same body. */
  readonly under: Branch | null;
}

/** Ends a branch; only the first end counts. A given-up branch ends the body only where there is no other left to read. */
export function end(branch: Branch, how: BodyEnd): void {
  if (branch.under !== null) end(branch.under, how);
  if (branch.over) return;
  close(branch);
  const { tap } = branch;
  if (tap.over) return;
  if ((how === 'cancelled' || how === 'abandoned') && --tap.openBranches > 0) return;
  tap.over = true;
  tap.listener.end(how);
}

/** Ends nothing but the branch itself. */
export function close(branch: Branch): void {
  branch.over = true;
  if (branch.body === null) return;
  branch.body = null;
  fresh[branch.place] = null;
}

/** Takes in the result of a read of a branch, without the bytes that another branch has read before. */
export function see(branch: Branch, result: { readonly done?: boolean; readonly value?: unknown }): void {
  if (branch.under !== null) see(branch.under, result);
  if (branch.over) return;
  const { done, value } = result;
  if (done === true) return end(branch, 'done');
  if (!(value instanceof Uint8Array)) return;
  const { tap, offset } = branch;
  branch.offset += value.byteLength;
  if (tap.over || branch.offset <= tap.seenBytes) return;
  const known = tap.seenBytes - offset;
  tap.seenBytes = branch.offset;
  tap.listener.chunk(known > 0 ? value.subarray(known) : value);
}

/** Tells an abort by the request's signal from a body that broke, by what its reading threw. */
export function failure(error: unknown): 'aborted' | 'failed' {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
    ? 'aborted'
    : 'failed';
}

/** Tells whether a branch follows a body: as the last one, or under it. */
export function follows(branch: Branch, body: object): boolean {
  let each: Branch | null = branchOf(body) ?? null;
  while (each !== null && each !== branch) each = each.under;
  return each !== null;
}

/** A class whose constructor returns what it is given: one that extends it adds its private fields to that. */
class Given {
  constructor(given: object) {
    return given;
  }
}

/** The branch that follows a body, or the body of a response: the last of several; `undefined` where none ever did. */
export let branchOf: (followed: object) => Branch | undefined;

let replaceBranch: (followed: object, branch: Branch) => boolean;

/** Keeps the branch of a body in the body itself, in a field that nobody else sees: a `WeakMap` takes ten times as long. */
// eslint-disable-next-line no-restricted-syntax -- nothing else adds a private field to an object that is there already
class Followed extends Given {
  #branch: Branch;

  constructor(followed: object, branch: Branch) {
    super(followed);
    this.#branch = branch;
  }

  static {
    branchOf = (followed) => (#branch in followed ? followed.#branch : undefined);
    replaceBranch = (followed, branch) => {
      if (!(#branch in followed)) return false;
      followed.#branch = branch;
      return true;
    };
  }
}

/** Makes a branch the one that follows a body, or a response. */
export function keepBranch(followed: object, branch: Branch): void {
  if (!replaceBranch(followed, branch)) void new Followed(followed, branch);
}

/** A body that is dropped unread ends its call, whenever the collector finds it. */
const dropped = new FinalizationRegistry<Branch>((branch) => end(branch, 'abandoned'));

/** Branches that were opened a moment ago, and hold their bodies. Most are read at once, and never join the registry. */
const fresh: (Branch | null)[] = [];
let freshCount = 0;

/** The longest time that a dropped body is held. */
const FRESH_MS = 100;

/** The runtime's own, also in tests of a program that put another clock in its place. */
const startTimer = globalThis.setTimeout;

function joinRegistry(): void {
  for (let place = 0; place < freshCount; place++) {
    const branch = fresh[place];
    if (!branch?.body) continue;
    dropped.register(branch.body, branch);
    branch.body = null;
    fresh[place] = null;
  }
  freshCount = 0;
}

/** Follows one readable body as a branch of a tap. A tap that follows it already goes on. */
export function follow(body: object, tap: Tap, offset = 0): Branch {
  const before = branchOf(body);
  const under = before?.over === false ? before : null;
  const branch: Branch = { tap, offset, over: false, isInside: false, under, body, place: freshCount };
  if (Object.isExtensible(body)) keepBranch(body, branch);
  if (freshCount === 0) startTimer(joinRegistry, FRESH_MS).unref();
  fresh[freshCount++] = branch;
  return branch;
}
