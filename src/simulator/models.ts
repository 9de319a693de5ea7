import catalogue from './models.json' with { type: 'json' };

/** A model that the simulator serves. Figures and their sources are in models.json. */
export interface SimulatedModel {
  /** The id that answers carry; where it is dated, `alias` is the short name that requests may use. */
  readonly id: string;
  readonly alias?: string;
  readonly name: string;
  readonly line: string | null;
  /** Models of one class share their rate limits. */
  readonly class: string;
  /** Day of release, UTC. */
  readonly created: string;
  /** Announced end of life, UTC; it is shown in the models list, and requests are served all the same. */
  readonly retires?: string;
  /** What `speed: "fast"` does: it is fast, it is standard without a word, or it is a 400. */
  readonly fast: string;
  /** Whether a request may choose `inference_geo`. */
  readonly geo: boolean;
}

const MODELS: readonly SimulatedModel[] = catalogue.models;

const BY_NAME = new Map(
  MODELS.flatMap((model) => [model.id, model.alias ?? model.id].map((name) => [name, model] as const)),
);

/** The groups that share limits. */
export const MODEL_CLASSES: readonly string[] = [...new Set(MODELS.map((model) => model.class))];

/** The model of that id or alias; `undefined` where there is none. */
export function modelNamed(name: string): SimulatedModel | undefined {
  return BY_NAME.get(name);
}

/** A model nobody knows, served under any name when the simulator was told to: its own class, no fast mode. */
export function unlistedModel(name: string): SimulatedModel {
  return { id: name, name, line: null, class: name, created: '1970-01-01', fast: 'refused', geo: true };
}

/** All models, newest first, as `GET /v1/models` writes them. `nowMs` decides which are retired. */
export function modelList(nowMs: number): readonly Record<string, unknown>[] {
  return MODELS.map((model) => modelInfo(model, nowMs));
}

/** One model as `GET /v1/models/{id}` writes it. */
export function modelInfo(model: SimulatedModel, nowMs: number): Record<string, unknown> {
  const retiresAt = model.retires === undefined ? null : `${model.retires}T00:00:00Z`;
  const retired = retiresAt !== null && Date.parse(retiresAt) <= nowMs;
  return {
    type: 'model',
    id: model.id,
    display_name: model.name,
    created_at: `${model.created}T00:00:00Z`,
    line: model.line,
    lifecycle: retired ? 'retired' : retiresAt === null ? 'active' : 'deprecated',
    deprecated_at: null,
    retires_at: retiresAt,
    max_input_tokens: null,
    max_tokens: null,
    capabilities: null,
  };
}
