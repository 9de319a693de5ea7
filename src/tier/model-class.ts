import table from './model-classes.json' with { type: 'json' };

const classes: ReadonlyMap<string, string> = new Map(
  table.classes.flatMap((group) => group.models.map((model) => [model, group.class] as const)),
);

/**
 * The group of models that share one rate limit with the model of this canonical id, from a table with
 * dates. A model that is not in the table is a group of its own, under its id.
 */
export function modelClass(model: string): string {
  return classes.get(model) ?? model;
}
