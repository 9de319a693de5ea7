import { PROMPT_FACTS, countMedia, type PromptFacts } from '../prompt.ts';
import type { Json } from '../observe/usage.ts';
import {
  BITS,
  FIELDS,
  MEANT_IN,
  PLACE,
  SCALARS,
  UNBOUNDED_PARTS,
  WITHIN,
  latin1,
  nameIn,
  numberIn,
  stringIn,
  unboundedEntry,
  type AskedNode,
  type BodyProblem,
  type FieldValue,
  type Name,
  type Place,
  type SettingsList,
  type Span,
  type Unbounded,
} from './body-names.ts';

/** The body of an endpoint: one message, one whose tokens are counted, or a batch of messages. */
export type BodyKind = 'message' | 'count' | 'batch';

/** Requests, and further models, that a body may name in all: as many as a batch may have requests. */
const MOST_ASKED = 100_000;

/** More than any request needs; each of them is asked about, and priced, at once. */
const MOST_FURTHER = 1_000;

/** No model of the API has a longer name, and no price is known for one. */
const LONGEST_MODEL = 256;

/** An object or array that is open. */
interface Level {
  place: Place;
  isObject: boolean;
  /** Bits of the names that it has had. */
  seen: number;
  /** The name whose value comes next; empty for one that means nothing here. */
  name: Name | '';
  /** The request, or the part of one, that its fields belong to. */
  node: AskedNode | null;
  /** A further model, where an object of settings names one. */
  further: AskedNode | null;
  /** Length of the base64 data of a source, or in the source of a block. */
  dataLength: number;
  /** The value of `type`, where it means something. */
  type: string;
  /** A block with an image, or a document, in its source. */
  isMedia: boolean;
  /** The list of settings that it is, or is within. */
  list: SettingsList | null;
  /** An entry of that list. */
  isEntry: boolean;
}

const EMPTY_LEVEL: Level = {
  place: PLACE.content,
  isObject: false,
  seen: 0,
  name: '',
  node: null,
  further: null,
  dataLength: 0,
  type: '',
  isMedia: false,
  list: null,
  isEntry: false,
};

/** Problems after which nothing that was read is used. */
const UNREAD: ReadonlySet<BodyProblem> = new Set(['not_json', 'too_deep', 'no_object', 'too_many']);

/** Objects whose fields are read. */
const HAS_FIELDS: ReadonlySet<Place> = new Set([PLACE.message, PLACE.settings, PLACE.billing]);

/** Where a value stands in the body, so that it can be replaced there. */
export interface ValueSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The facts of a body that rules and budgets go by, collected from the tokens of a scanner: models, `max_tokens`, `stream`,
 * `speed`, and how long the prompt is.
 */
export class BodyFacts {
  /** The first problem. A rule that reads the body refuses one with a problem. */
  problem: BodyProblem | null = null;
  /** Places of the request's own `model` and `max_tokens`, the last where they come twice. Not in a batch. */
  readonly spans: { model: ValueSpan | null; maxTokens: ValueSpan | null } = { model: null, maxTokens: null };
  /** Place of the first message of a conversation. Not in a batch. */
  firstTurn: { readonly start: number; end: number } | null = null;
  /** Requests and further models that it names. Each takes memory for as long as its call lasts. */
  asked = 0;
  readonly #bytes: Uint8Array;
  readonly #kind: BodyKind;
  readonly #levels: Level[] = [];
  readonly #requests: { readonly params: AskedNode }[] = [];
  #depth = -1;
  /** Levels of content that are open: nothing in them is read. */
  #contentDepth = 0;
  #root: AskedNode | null = null;
  #hasRequests = false;

  constructor(bytes: Uint8Array, kind: BodyKind) {
    this.#bytes = bytes;
    this.#kind = kind;
  }

  /** The scanner is within content, where no name means anything. */
  get isWithinContent(): boolean {
    return this.#contentDepth > 0 || this.#depth === -1;
  }

  /** The next value may mean something. */
  get isReading(): boolean {
    const level = this.#levels[this.#depth];
    return !this.isWithinContent && level !== undefined && (level.name !== '' || level.place === PLACE.requests);
  }

  /** There is a problem after which nothing that was read is used. */
  get isUnread(): boolean {
    return this.problem !== null && UNREAD.has(this.problem);
  }

  /** The body with those fields alone; `null` if it could not be read to its end. */
  get body(): Json | null {
    if (this.isUnread) return null;
    return this.#kind === 'batch' ? { requests: this.#requests } : (this.#root as Json | null);
  }

  fail(problem: BodyProblem): void {
    if (this.problem === null || UNREAD.has(problem)) this.problem = problem;
  }

  /** The body is complete. */
  finish(): void {
    if (this.#kind === 'batch' && !this.#hasRequests) this.fail('requests');
    if (this.#kind !== 'batch' && this.#root === null) this.fail('no_object');
  }

  name(span: Span): void {
    const level = this.#levels[this.#depth];
    if (level === undefined) return;
    const found = nameIn(this.#bytes, span);
    const isMeant = found !== '' && MEANT_IN[level.place].has(found);
    level.name = isMeant ? found : '';
    const bit = isMeant ? (BITS.get(found) ?? 0) : 0;
    const isOnce = level.place <= PLACE.entry || level.place === PLACE.billing;
    if (isOnce && (level.seen & bit) !== 0) this.fail('repeated');
    level.seen |= bit;
  }

  open(isObject: boolean, at: number): void {
    const parent = this.#levels[this.#depth];
    const isContent = this.#contentDepth > 0;
    const place = isContent ? PLACE.content : this.#placeOf(parent, isObject);
    if (!isContent && parent !== undefined) noteOpened(parent);
    if (place === PLACE.content) {
      this.#contentDepth += 1;
      return;
    }
    this.#depth += 1;
    const level = this.#resetLevel(place, isObject);
    level.node = place === PLACE.message ? this.#newRequest() : (parent?.node ?? null);
    if (place === PLACE.settings && parent !== undefined) enterList(level, parent);
    if (place === PLACE.turn && this.#kind !== 'batch') this.firstTurn ??= { start: at, end: 0 };
  }

  close(at: number): void {
    if (this.#contentDepth > 0) {
      this.#contentDepth -= 1;
      return;
    }
    const level = this.#levels[this.#depth];
    this.#depth -= 1;
    if (level === undefined) return;
    if (level.place === PLACE.turn && this.firstTurn?.end === 0) this.firstTurn.end = at + 1;
    if (level.place === PLACE.message) this.#requireFields(level);
    if (level.place === PLACE.entry && (level.seen & (BITS.get('params') ?? 0)) === 0) this.fail('requests');
    if (level.place >= PLACE.block) this.#closeContent(level);
    if (!level.isEntry || level.list === null) return;
    const unbounded = unboundedEntry(level.list, level.type);
    if (unbounded !== null) noteUnbounded(level, unbounded);
  }

  text(span: Span): void {
    const level = this.#levels[this.#depth];
    if (level === undefined) return;
    switch (level.place) {
      case PLACE.message:
      case PLACE.settings:
      case PLACE.billing:
        if (level.name === 'type') level.type = stringIn(this.#bytes, span, LONGEST_MODEL) || OTHER_TYPE;
        return this.#field(level, stringIn(this.#bytes, span, LONGEST_MODEL), span);
      case PLACE.block:
      case PLACE.source:
      case PLACE.thread:
        if (level.name === 'data') level.dataLength = span.end - span.start - 2;
        if (level.name === 'type') level.type = stringIn(this.#bytes, span, LONGEST_MODEL) || OTHER_TYPE;
        return;
      default:
        return this.#unexpected(level);
    }
  }

  /** A number, `true`, `false` or `null`. */
  scalar(start: number, end: number): void {
    const level = this.#levels[this.#depth];
    if (level === undefined) return;
    if (!HAS_FIELDS.has(level.place)) return this.#unexpected(level);
    const text = latin1(this.#bytes, start, end);
    this.#field(level, text === 'null' ? null : (SCALARS.get(text) ?? numberIn(text)), { start, end });
  }

  /** The levels are kept for the next objects of their depth: a body can have millions. */
  #resetLevel(place: Place, isObject: boolean): Level {
    const level = (this.#levels[this.#depth] ??= { ...EMPTY_LEVEL });
    Object.assign(level, EMPTY_LEVEL);
    level.place = place;
    level.isObject = isObject;
    return level;
  }

  #placeOf(parent: Level | undefined, isObject: boolean): Place {
    if (parent !== undefined) {
      const place = WITHIN[parent.place](parent.name, isObject);
      if (place === PLACE.content) this.#unexpected(parent);
      if (place === PLACE.requests) this.#hasRequests = true;
      return place;
    }
    if (!isObject) return PLACE.content;
    return this.#kind === 'batch' ? PLACE.batch : PLACE.message;
  }

  /** A value of another kind than its place has. */
  #unexpected({ place, name }: Level): void {
    if (name === 'max_tokens' && this.#kind === 'count') return;
    const field = place === PLACE.requests ? 'requests' : FIELDS.get(name)?.problem;
    if (field !== undefined) this.fail(field);
  }

  #newRequest(): AskedNode {
    const prompt = { correction: 0, documentTokens: 0, unseenParts: 0, isCached: false };
    const node: AskedNode = { [PROMPT_FACTS]: prompt };
    if (this.#kind !== 'batch') this.#root = node;
    else if (this.#isCounted()) this.#requests.push({ params: node });
    return node;
  }

  #isCounted(): boolean {
    this.asked += 1;
    if (this.asked > MOST_ASKED) this.fail('too_many');
    return this.asked <= MOST_ASKED;
  }

  #requireFields({ seen }: Level): void {
    if ((seen & (BITS.get('model') ?? 0)) === 0) this.fail('model');
    if (this.#kind !== 'count' && (seen & (BITS.get('max_tokens') ?? 0)) === 0) this.fail('max_tokens');
  }

  #closeContent(level: Level): void {
    const { place, type, dataLength, isMedia } = level;
    const parent = this.#levels[this.#depth];
    if (place === PLACE.thread && type === 'continue') promptOf(level).unseenParts += 1;
    if (place === PLACE.block && isMedia)
      countMedia(promptOf(level), type === 'image' ? 'image' : 'document', dataLength);
    if (place !== PLACE.source || parent === undefined) return;
    parent.isMedia = type !== '' && type !== 'text' && type !== 'content';
    parent.dataLength = type === 'base64' ? dataLength : 0;
  }

  #field(level: Level, value: FieldValue, span: ValueSpan): void {
    const { place, name } = level;
    if (place === PLACE.message && name === 'model') this.spans.model = span;
    if (place === PLACE.message && name === 'max_tokens') this.spans.maxTokens = span;
    if (name === 'max_tokens' && this.#kind === 'count') return;
    if (value === null && (place === PLACE.settings || name === 'speed' || name === 'inference_geo')) return;
    const { set, problem } = FIELDS.get(name) ?? {};
    if (set === undefined || set(this.#nodeOf(level), value) || problem === undefined) return;
    this.fail(problem);
  }

  /** The request, or the further model in it that this object names. */
  #nodeOf(level: Level): AskedNode {
    const { node } = level;
    if (level.place !== PLACE.settings || node === null) return node ?? {};
    if (level.further !== null) return level.further;
    level.further = {};
    const further = (node.tools ??= []);
    if (further.length >= MOST_FURTHER) this.fail('too_many');
    else if (this.#isCounted()) further.push(level.further);
    return level.further;
  }
}

/** In place of a type that is empty, or longer than any that the API has. */
const OTHER_TYPE = 'other';

/** Tells whether a level is an entry of a list of settings: the first objects within are, however they lie there. */
function enterList(level: Level, { name, list, isEntry }: Level): void {
  const begun = LISTS[name] ?? null;
  level.list = begun ?? (isEntry ? null : list);
  level.isEntry = begun === null && level.list !== null && level.isObject;
}

function noteOpened(parent: Level): void {
  const { name } = parent;
  if (name === 'cache_control') promptOf(parent).isCached = true;
  if (name === 'mcp_servers' || name === 'compaction') noteUnbounded(parent, name);
}

/** A block of a turn adds a tool with `tool`. */
const LISTS: Readonly<Partial<Record<Name | '', SettingsList>>> = {
  tools: 'tools',
  tool: 'tools',
  context_management: 'context_management',
};

function noteUnbounded({ node }: Level, unbounded: Unbounded): void {
  if (node !== null) (node[UNBOUNDED_PARTS] ??= new Set()).add(unbounded);
}

/** The prompt that a level belongs to. */
function promptOf({ node }: Level): PromptFacts {
  return node?.[PROMPT_FACTS] ?? { correction: 0, documentTokens: 0, unseenParts: 0, isCached: false };
}
