import type { LatencyObjective, MonitoringSettings } from './settings.ts';

interface JudgedModels extends LatencyObjective {
  /** The model; undefined for all that have no objective of their own. */
  readonly model: string | undefined;
  /** Selects them: no matcher for all. */
  readonly matcher: readonly string[];
}

/** Every objective of latency with the models that it holds for: first those without an objective of their own. */
export function latencyObjectives(settings: MonitoringSettings): readonly JudgedModels[] {
  const { latencyObjective, latencySeconds, latencyObjectives: own } = settings;
  const models = Object.keys(own);
  const others =
    models.length === 0 ? [] : [`model!~"${models.map((model) => model.replaceAll('.', '\\\\.')).join('|')}"`];
  return [
    { model: undefined, matcher: others, objective: latencyObjective, seconds: latencySeconds },
    ...Object.entries(own).map(([model, objective]) => ({ model, matcher: [`model="${model}"`], ...objective })),
  ];
}
