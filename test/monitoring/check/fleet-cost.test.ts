import assert from 'node:assert/strict';
import test from 'node:test';
import { fleetCost, type QueryCost } from '../../../monitoring/check/fleet-cost.ts';
import { promtool } from '../../../testing/promtool.ts';
import { tool } from '../../../testing/tools.ts';

const prometheus = tool('prometheus');

/** The most that a query of a rule or a panel may read. */
const MOST_SAMPLES = 6_000_000;
const PODS = 200;

test(
  'no rule and no panel reads more than 6 M samples because there are 200 pods',
  {
    skip: promtool.skip || prometheus.skip,
  },
  async () => {
    // What a query reads grows evenly with the pods, so two small fleets tell of a large one. What it reads of days of growth
    // does not grow with them: scripts/fleet-cost.ts prints that.
    const costs = async (pods: number): Promise<ReadonlyMap<string, QueryCost>> => {
      const size = { pods, routes: 20, models: 8, hours: 2 };
      const { rules, panels } = await fleetCost({ prometheus: prometheus.path, promtool: promtool.path, size });
      return new Map([...rules, ...panels].map((cost) => [cost.name, cost]));
    };
    const [one, two] = [await costs(1), await costs(2)];
    assert.ok(one.size > 200, `${one.size} queries`);
    const tooMany = [...one].flatMap(([name, { samples }]) => {
      const each = (two.get(name)?.samples ?? NaN) - samples;
      const all = samples + each * (PODS - 1);
      return all <= MOST_SAMPLES ? [] : [`${name}: ${all}`];
    });
    assert.deepEqual(tooMany, []);
  },
);
