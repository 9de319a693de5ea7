import { WATCHED, type Ask, type BooksBench } from './books-bench.ts';

const [SHOP = '', SEARCH = '', BATCH = ''] = WATCHED;
const OPUS = 'claude-opus-5-5';
const SONNET = 'claude-sonnet-5-5';
const HAIKU = 'claude-haiku-5-5';

/** The modes that are used every day: keys, models, tiers, speeds, places and lengths of prompts. */
export const MODES: readonly (Omit<Ask, 'usage'> & {
  readonly extra?: Ask['usage'];
  readonly batch?: boolean;
  readonly long?: boolean;
})[] = [
  { key: SHOP, model: OPUS },
  { key: SHOP, model: OPUS, extra: { speed: 'fast' } },
  { key: SHOP, model: SONNET, extra: { inference_geo: 'us' }, streamed: true },
  { key: SHOP, model: 'claude-haiku-4-5' },
  { key: SEARCH, model: HAIKU },
  { key: SEARCH, model: HAIKU, long: true },
  { key: SEARCH, model: 'claude-fable-5-1', streamed: true },
  { key: BATCH, model: SONNET, batch: true },
];

/** A day of mixed traffic. Tokens are drawn, so that no two cells agree by chance. */
export async function liveDay(bench: BooksBench, day: number, callsAMode: number): Promise<void> {
  const draw = (most: number): number => 1 + Math.floor(bench.random() * most);
  for (let round = 0; round < callsAMode; round++) {
    bench.at(day, 1 + round * 7);
    for (const { extra, batch = false, long = false, ...who } of MODES) {
      const usage = {
        ...{
          input_tokens: (long ? 100_001 : 200) + draw(9_000),
          cache_read_input_tokens: draw(20_000),
          output_tokens: draw(900),
        },
        cache_creation: { ephemeral_5m_input_tokens: draw(4_000), ephemeral_1h_input_tokens: draw(900) },
        ...(draw(10) === 1 && { server_tool_use: { web_search_requests: 1 } }),
        ...extra,
      };
      await (batch ? bench.askBatch({ ...who, usage }) : bench.ask({ ...who, usage }));
    }
  }
}
