import { ConfigurationError, unfit, type Problem } from '../errors.ts';
import type { Attribution } from '../vocabulary.ts';
import { CATALOGUE } from './metrics/catalogue.ts';
import type { Section } from './metrics/metric.ts';
import type { CounterSeries } from './metrics/series.ts';
import {
  OTHER,
  SERVER_TOOLS,
  STOP_REASONS,
  fitForLabel,
  fitForOperation,
  type BoundedLabel,
  type Store,
} from './metrics/store.ts';

/** The number of models, besides the declared and known ones, that get a label value of their own. */
const MODEL_CAP = 50;

/** The number of aliases, besides the configured ones, that get a label value of their own. */
const KEY_CAP = 100;

/** Named operations are a closed set; this cap holds if they ever are not. */
const OPERATION_CAP = 64;

/** The number of cached spellings of models, so that a call only looks up its label. */
const SPELLINGS = 1_000;

export interface CallLabelOptions {
  /** Aliases of keys that always have a label value; their series start at zero. */
  readonly keys?: readonly string[];
  /** Models that always have a label value; their series start at zero. */
  readonly models?: readonly string[];
  /** Canonical ids that always have a label value. */
  readonly knownModels?: Iterable<string>;
  /** Number of other models that get a label value of their own. */
  readonly modelCap?: number;
  /** The id that all spellings of a model share. */
  readonly canonicalModel?: (model: string) => string;
}

/** The label values of calls, all bounded. */
export class CallLabelValues {
  readonly operation: BoundedLabel;
  readonly key: BoundedLabel;
  readonly stopReason: BoundedLabel;
  readonly tool: BoundedLabel;
  /** Labels of the models whose prices are known. */
  readonly priced: ReadonlySet<string>;
  readonly #model: BoundedLabel;
  readonly #canonical: (model: string) => string;
  readonly #spellings = new Map<string, string>();

  constructor(store: Store, options: CallLabelOptions) {
    const { keys = [], models = [], knownModels = [], modelCap = MODEL_CAP, canonicalModel = (id) => id } = options;
    this.#canonical = canonicalModel;
    this.priced = new Set(knownModels);
    this.operation = store.boundedLabel('operation', { reserved: [], cap: OPERATION_CAP, fit: fitForOperation });
    this.key = store.boundedLabel('key', { reserved: keys, cap: KEY_CAP });
    this.stopReason = store.boundedLabel('stop_reason', { reserved: STOP_REASONS, cap: 0 });
    this.tool = store.boundedLabel('tool', { reserved: SERVER_TOOLS, cap: 0 });
    this.#model = store.boundedLabel('model', {
      reserved: [...models.map(canonicalModel), ...knownModels],
      cap: modelCap,
    });
  }

  /** The label of a model, however it is spelled; empty for calls without one. */
  model(spelling: string | null): string {
    if (spelling === null) return '';
    return this.#spellings.get(spelling) ?? this.#remember(spelling, this.#model.value(this.#canonical(spelling)));
  }

  /** Like `model`, but counts a model that has no label value of its own. Called once per call. */
  countedModel(spelling: string | null): string {
    if (spelling === null) return '';
    return this.#spellings.get(spelling) ?? this.#remember(spelling, this.#model.counted(this.#canonical(spelling)));
  }

  /** Caches a label, but not `other`: the model may get a label value later, and there is no end of such models. */
  #remember(spelling: string, label: string): string {
    if (label !== OTHER && this.#spellings.size < SPELLINGS) this.#spellings.set(spelling, label);
    return label;
  }
}

/** Label names, each with the values that always have a series; an empty list declares only the name. */
export type AttributionDeclaration = Readonly<Record<string, readonly string[]>>;

/** The number of undeclared values of one attribution label that get a series. */
const ATTRIBUTION_CAP = 100;

/**
 * Combinations of the values of several attribution labels that get series of their own. Without it, several bounded
 * labels together could still make a million series.
 */
const COMBINATION_CAP = 2_000;

/** https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels */
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Sections whose metrics have no attribution: their labels may have names that a user chooses. */
const UNATTRIBUTED: ReadonlySet<Section> = new Set(['tier', 'routes', 'gateway']);

/** Labels of plimsoll, of the exposition formats, and of scrapes. */
const RESERVED: ReadonlySet<string> = new Set([
  ...CATALOGUE.filter(({ section }) => !UNATTRIBUTED.has(section)).flatMap(({ labels }) => [...labels]),
  'le',
  'quantile',
  'job',
  'instance',
]);

/** Throws a `ConfigurationError` (`PLIMSOLL_ATTRIBUTION_INVALID`) with all problems of the declaration at once. */
export function checkAttribution(declared: AttributionDeclaration): void {
  const problems = attributionProblems(declared);
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_ATTRIBUTION_INVALID', problems);
}

/** Lists the problems of a declaration. */
export function attributionProblems(declared: AttributionDeclaration): readonly Problem[] {
  return Object.entries(declared).flatMap(([name, values]) => [...nameProblems(name), ...valueProblems(name, values)]);
}

function nameProblems(name: string): readonly Problem[] {
  const wrong = (expected: string, got: string, advice: string): readonly Problem[] => [
    { kind: 'invalid', field: 'attribution', expected, got, advice },
  ];
  if (!fitForLabel(name) || !LABEL_NAME.test(name)) {
    const shown = fitForLabel(name) ? `"${name}"` : 'one that cannot be shown';
    return wrong('a label name of letters, digits and _', shown, 'rename it');
  }
  if (name.startsWith('__'))
    return wrong('a label name without __ in front', `"${name}", which Prometheus keeps for itself`, 'rename it');
  if (RESERVED.has(name))
    return wrong('a label name of your own', `"${name}", which the metrics have already`, 'rename it');
  return [];
}

function valueProblems(name: string, values: unknown): readonly Problem[] {
  const label = LABEL_NAME.test(name) && fitForLabel(name) ? `"${name}"` : 'a label';
  if (!Array.isArray(values)) {
    const wanted = { expected: `a list of values for ${label}`, advice: 'write [] for any value' };
    return [unfit('attribution', values, wanted)];
  }
  const expected = 'to be text of 1 to 128 characters without control characters and without a key in it';
  return values.flatMap((value: unknown, index): readonly Problem[] => {
    if (typeof value === 'string' && value !== '' && fitForLabel(value)) return [];
    const which = `value ${index + 1} of ${label}`;
    const what = { expected: `${which} ${expected}`, got: 'something else', advice: 'change it' };
    return [{ kind: 'invalid', field: 'attribution', ...what }];
  });
}

interface AttributionLabel {
  readonly name: string;
  readonly values: BoundedLabel;
  readonly missing: CounterSeries;
}

/** A value of one label, and the values of the next label that appeared with it. */
interface Combination {
  readonly next: Map<string, Combination>;
}

interface AttributionCaps {
  /** Undeclared values of one label: 100. */
  readonly values?: number;
  /** Combinations of values: 2,000. */
  readonly combinations?: number;
}

/** The declared attribution labels of one recorder, and the combinations of their values that have a series. */
export class AttributionLabels {
  /** In the order of the declaration. */
  readonly names: readonly string[];
  readonly #labels: readonly AttributionLabel[];
  readonly #seen: Combination = { next: new Map() };
  #combinationsLeft: number;

  constructor(store: Store, declared: AttributionDeclaration, caps: AttributionCaps = {}) {
    const { values: cap = ATTRIBUTION_CAP, combinations = COMBINATION_CAP } = caps;
    this.#combinationsLeft = combinations;
    this.#labels = Object.entries(declared).map(([name, reserved]) => ({
      name,
      values: store.boundedLabel(name, { reserved, cap }),
      missing: store.family('plimsoll_attribution_missing_total').series({ label: name }),
    }));
    this.names = this.#labels.map(({ name }) => name);
  }

  /**
   * The bounded values of a call in the order of the declaration; empty if the call has none. Counts dropped values, so
   * it is called once per call.
   */
  values(attribution: Attribution): readonly string[] {
    const values = this.#labels.map((label) => label.values.counted(attribution[label.name] ?? ''));
    if (values.length < 2 || this.#hasPlace(values)) return values;
    // There are only as many of these as the user has declared, however many calls there are.
    return values.map((value, index) => this.#labels[index]?.values.declared(value) ?? value);
  }

  /** Counts a call that lacks a value. */
  countMissing(values: readonly string[]): void {
    for (const [index, { missing }] of this.#labels.entries()) if (values[index] === '') missing.add(1);
  }

  /** The values by the names of their labels. */
  named(values: readonly string[]): Attribution {
    return Object.fromEntries(this.names.map((name, index) => [name, values[index] ?? '']));
  }

  /** Tells whether a combination has a series, or may get one of those that are left. */
  #hasPlace(values: readonly string[]): boolean {
    let known: Combination | undefined = this.#seen;
    for (const value of values) known = known?.next.get(value);
    if (known !== undefined) return true;
    if (this.#combinationsLeft === 0) return false;
    this.#combinationsLeft -= 1;
    let combination = this.#seen;
    for (const value of values) {
      const next: Combination = combination.next.get(value) ?? { next: new Map() };
      combination.next.set(value, next);
      combination = next;
    }
    return true;
  }
}
