import { OTHER, SERVER_TOOLS, STOP_REASONS, fitForOperation } from './labels.ts';
import type { BoundedLabel } from './labels.ts';
import type { Store } from './store.ts';

/** Models beyond the declared and the known ones that get a label value of their own. */
export const MODEL_CAP = 50;

/** Aliases beyond the configured ones that get a label value of their own. */
const KEY_CAP = 100;

/** Operations are a closed set where they are named; this holds if they ever are not. */
const OPERATION_CAP = 64;

/** Spellings of models that are remembered, so that a call path looks up and does not compute. */
const SPELLINGS = 1_000;

export interface CallLabelOptions {
  /** Aliases of keys that keep their place as label values; their series are born at zero. */
  readonly keys?: readonly string[];
  /** Models that keep their place as label values; their series are born at zero. */
  readonly models?: readonly string[];
  /** Canonical ids that keep their place as label values. */
  readonly knownModels?: Iterable<string>;
  /** How many other models get a label value of their own. */
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
  readonly #model: BoundedLabel;
  readonly #canonical: (model: string) => string;
  readonly #spellings = new Map<string, string>();

  constructor(store: Store, options: CallLabelOptions) {
    const { keys = [], models = [], knownModels = [], modelCap = MODEL_CAP, canonicalModel = (id) => id } = options;
    this.#canonical = canonicalModel;
    this.operation = store.boundedLabel('operation', { reserved: [], cap: OPERATION_CAP, fit: fitForOperation });
    this.key = store.boundedLabel('key', { reserved: keys, cap: KEY_CAP });
    this.stopReason = store.boundedLabel('stop_reason', { reserved: STOP_REASONS, cap: 0 });
    this.tool = store.boundedLabel('tool', { reserved: SERVER_TOOLS, cap: 0 });
    this.#model = store.boundedLabel('model', {
      reserved: [...models.map(canonicalModel), ...knownModels],
      cap: modelCap,
    });
  }

  /** The label of a model however it is spelled; empty for calls without one. */
  model(spelling: string | null): string {
    if (spelling === null) return '';
    return this.#spellings.get(spelling) ?? this.#remember(spelling, this.#model.value(this.#canonical(spelling)));
  }

  /** As `model`, and counts a model that has no place: to be asked once a call. */
  countedModel(spelling: string | null): string {
    if (spelling === null) return '';
    return this.#spellings.get(spelling) ?? this.#remember(spelling, this.#model.counted(this.#canonical(spelling)));
  }

  /** Not what came to `other`: it may get a place later, and there is no end of them. */
  #remember(spelling: string, label: string): string {
    if (label !== OTHER && this.#spellings.size < SPELLINGS) this.#spellings.set(spelling, label);
    return label;
  }
}
