import { readFileSync } from 'node:fs';
import { Random } from '../transparent/random.ts';

/** A mistake in a file of `src/`: `from`, which stands there once, becomes `to`. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const FACTS = 'gateway/body-facts.ts';
const NAMES = 'gateway/body-names.ts';
const SCANNER = 'gateway/body-scanner.ts';
const RECEIVE = 'gateway/receive.ts';
const RULES = 'gateway/rules.ts';
const FORWARD = 'gateway/forward.ts';
const REQUEST = 'gateway/request.ts';
const BODY = 'gateway/request-body.ts';
const ATTEMPT = 'gateway/attempt.ts';
const ADMISSION = 'observe/admission.ts';
const ESTIMATE = 'budget/estimate.ts';
const RATE = 'gateway/access/rate-limiter.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a name may come twice',
    file: FACTS,
    from: "    if (isOnce && (level.seen & bit) !== 0) this.fail('repeated');\n",
    to: '',
  },
  {
    name: 'a request may name no model',
    file: FACTS,
    from: "    if ((seen & (BITS.get('model') ?? 0)) === 0) this.fail('model');\n",
    to: '',
  },
  {
    name: 'a request may have no max_tokens',
    file: FACTS,
    from: "    if (this.#kind !== 'count' && (seen & (BITS.get('max_tokens') ?? 0)) === 0) this.fail('max_tokens');\n",
    to: '',
  },
  {
    name: 'a list or an object is any value',
    file: FACTS,
    from: '      if (place === PLACE.content) this.#unexpected(parent);\n',
    to: '',
  },
  {
    name: 'an entry of a batch may have no params',
    file: FACTS,
    from: "    if (level.place === PLACE.entry && (level.seen & (BITS.get('params') ?? 0)) === 0) this.fail('requests');\n",
    to: '',
  },
  {
    name: 'a batch may have no requests',
    file: FACTS,
    from: "    if (this.#kind === 'batch' && !this.#hasRequests) this.fail('requests');\n",
    to: '',
  },
  {
    name: 'no batch has requests',
    file: FACTS,
    from: '      if (place === PLACE.requests) this.#hasRequests = true;\n',
    to: '',
  },
  {
    name: 'further models are dropped',
    file: FACTS,
    from: '    else if (this.#isCounted()) further.push(level.further);\n',
    to: '',
  },
  {
    name: 'max_tokens is read where tokens are counted',
    file: FACTS,
    from: "    if (name === 'max_tokens' && this.#kind === 'count') return;\n    if (value",
    to: '    if (value',
  },
  {
    name: 'null is a value of a further model',
    file: FACTS,
    from: "    if (value === null && (place === PLACE.settings || name === 'speed' || name === 'inference_geo')) return;\n",
    to: '',
  },
  {
    name: 'fallbacks are content',
    file: NAMES,
    from: "    case 'fallbacks':\n      return PLACE.settings;",
    to: "    case 'fallbacks':\n      return PLACE.content;",
  },
  {
    name: 'max_tokens may be written as any number',
    file: NAMES,
    from: '/^(?:0|[1-9]\\d{0,9})$/.test(text)',
    to: '/^[\\d.eE+-]+$/.test(text)',
  },
  {
    name: 'max_tokens may be no number',
    file: NAMES,
    from: '  return value <= MOST_TOKENS ? value : undefined;',
    to: '  return value;',
  },
  {
    name: 'max_tokens of another kind is passed over',
    file: NAMES,
    from: "if (typeof value !== 'number') return false;",
    to: "if (typeof value !== 'number') return true;",
  },
  {
    name: 'a model of another kind is passed over',
    file: NAMES,
    from: "if (typeof value !== 'string' || value === '') return false;",
    to: "if (typeof value !== 'string') return true;",
  },
  {
    name: 'any speed will do',
    file: NAMES,
    from: "if (value !== 'standard' && value !== 'fast') return false;",
    to: "if (typeof value !== 'string') return true;",
  },
  {
    name: 'any place will do',
    file: NAMES,
    from: "if (typeof value !== 'string') return false;\n        node.inference_geo",
    to: "if (typeof value !== 'string') return true;\n        node.inference_geo",
  },
  {
    name: 'escaped names are unknown',
    file: NAMES,
    from: "    return NAMES.find((name) => name === text) ?? '';",
    to: "    return text === '' ? '' : '';",
  },
  {
    name: 'a chain that the API chooses is none',
    file: NAMES,
    from: "        if (typeof value === 'string') node.fallbacks = value;\n",
    to: '',
  },
  {
    name: 'a server of tools names models',
    file: NAMES,
    from: "'metadata', 'mcp_servers', 'output_config'",
    to: "'metadata', 'output_config'",
  },
  {
    name: 'an example of a tool names models',
    file: NAMES,
    from: ", 'input_schema', 'input_examples'",
    to: ", 'input_schema'",
  },
  {
    name: 'bodies may be ten times as deep',
    file: SCANNER,
    from: 'const MOST_DEPTH = 200;',
    to: 'const MOST_DEPTH = 2_000;',
  },
  {
    name: 'bodies need not be UTF-8',
    file: SCANNER,
    from: "    if (!isUtf8(bytes)) this.#stop('not_json');\n",
    to: '    isUtf8(bytes);\n',
  },
  {
    name: 'something may follow a body',
    file: SCANNER,
    from: "      case NEXT.nothing:\n        return this.#stop('not_json');",
    to: '      case NEXT.nothing:\n        return this.#skip(NEXT.nothing);',
  },
  {
    name: 'strings may have control characters',
    file: SCANNER,
    from: "      if (byte < 0x20) return this.#stop('not_json');\n",
    to: '',
  },
  {
    name: 'a comma may end a list',
    file: SCANNER,
    from: 'isObject ? NEXT.name : NEXT.value)',
    to: 'isObject ? NEXT.nameOrEnd : NEXT.valueOrEnd)',
  },
  {
    name: 'what is not understood is sent on',
    file: RECEIVE,
    from: "  if (reading === 'strict' && problem !== null) {",
    to: "  if (reading === 'strict' && problem === 'not_json') {",
  },
  {
    name: 'encoded bodies are sent on',
    file: RECEIVE,
    from: "  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') return ENCODED;\n",
    to: '',
  },
  {
    name: 'any charset will do',
    file: RECEIVE,
    from: "reading === 'strict' && kind !== 'none' && !isUtf8Declared",
    to: "reading === null && kind !== 'none' && !isUtf8Declared",
  },
  {
    name: 'a client’s bound on bodies is not kept',
    file: RECEIVE,
    from: 'Math.min(readable, grant.bodyBytes ?? readable)',
    to: 'Math.min(readable, grant.bodyBytes === 0 ? 0 : readable)',
  },
  {
    name: 'undeclared bodies may be of any length',
    file: BODY,
    from: '    if (length > largestBytes) return new BodyTooLargeError();\n',
    to: '',
  },
  {
    name: 'the API may choose models',
    file: RULES,
    from: '  if (!isChosenThere && models.every(',
    to: '  if (models.every(',
  },
  {
    name: 'further models are not asked about',
    file: RULES,
    from: "const models = [request['model'], ...settingsWithin(request).flatMap(({ model }) => model ?? [])];",
    to: "const models = [request['model']];",
  },
  {
    name: 'further max_tokens are not asked about',
    file: RULES,
    from: 'if (Math.max(own, further) <= tokens) return undefined;',
    to: 'if (own <= tokens) return undefined;',
  },
  {
    name: 'a fallback above the ceiling is clamped with the request',
    file: RULES,
    from: ' && further <= tokens;',
    to: ';',
  },
  {
    name: 'a visitor may ask for what has no bound',
    file: RULES,
    from: 'if (!allowed.includes(part)) throw',
    to: 'if (allowed.includes(part)) throw',
  },
  {
    name: 'minted tokens may send batches',
    file: RULES,
    from: '      if (group !== null && groups.includes(group)) return undefined;\n',
    to: '      if (group !== null) return undefined;\n',
  },
  {
    name: 'rules without a body are not asked',
    file: FORWARD,
    from: '  if (refused !== null) return refused;\n',
    to: '',
  },
  {
    name: 'rules with a body are not asked',
    file: REQUEST,
    from: '      guards: [...bound, ...guards],',
    to: '      guards: [...guards],',
  },
  {
    name: 'the amount of a token is not asked about',
    file: REQUEST,
    from: '...spendGuards.slice(0, paces), ...own, ...spendGuards.slice(paces)',
    to: '...spendGuards',
  },
  {
    name: 'further models are not reserved for',
    file: ESTIMATE,
    from: '    if (models.length === 0 && !isChosenThere) return [part];\n',
    to: '    if (models.length < 1e9) return [part];\n',
  },
  {
    name: 'of several models only the dearest is reserved for',
    file: ESTIMATE,
    from: 'const nanoUsd = this.#isWorst || own.nanoUsd === null ?',
    to: 'const nanoUsd = own.nanoUsd === null ?',
  },
  {
    name: 'a ceiling changes nothing',
    file: ATTEMPT,
    from: '    ...(admittedMaxTokens === null ? [] : [{ span: spans.maxTokens, value: admittedMaxTokens }]),\n',
    to: '',
  },
  {
    name: 'a refusal is counted and forgotten',
    file: ADMISSION,
    from: "  call.end('blocked');\n  throw refusal;",
    to: "  call.end('blocked');",
  },
  {
    name: 'the rate is not kept',
    file: RATE,
    from: "    if (waitMs > 0) throw new RateLimitedError({ kind: 'requests', most: perMinute, holder, waitMs, remaining: 0 });\n",
    to: '',
  },
];

/** As many different mutants as asked for, chosen by the seed: a short run tries some, and another seed tries others. */
export function drawMutants<M extends Mutant>(mutants: readonly M[], seed: number, count: number): readonly M[] {
  const random = new Random(seed);
  const left = [...mutants];
  return Array.from({ length: Math.min(count, left.length) }, () => {
    const drawn = random.one(left);
    left.splice(left.indexOf(drawn), 1);
    return drawn;
  });
}

/** The mutants whose place is not in their file, or is there more than once. */
export function misplacedMutants(mutants: readonly Mutant[]): readonly string[] {
  return mutants
    .filter(({ file, from }) => readFileSync(sourceOf(file), 'utf8').split(from).length !== 2)
    .map(({ name }) => name);
}

export function sourceOf(file: string): URL {
  return new URL(`../../src/${file}`, import.meta.url);
}
