/** Writes the page `docs/output-estimates.md`: how close the estimate of a cut-off stream's output is to the server's count. */
import { EventStreamScanner } from '../src/observe/event-stream.ts';
import { estimatedOutputTokens } from '../src/observe/estimate.ts';
import { STREAMED, type Cassette } from '../testing/cassettes/cassettes.ts';

const INTRODUCTION = `# Accuracy of output estimates for cut-off streams

<!-- Made from the recorded streams in test/cassettes by \`npm run generate\`. -->

If a stream ends before the server has reported its output tokens, plimsoll estimates them from the bytes of text, thinking
and tool input that arrived. The tables compare that estimate with the server's count for each complete recording.
`;

interface Row {
  readonly source: string;
  readonly hidden: boolean;
  readonly reported: number;
  readonly estimated: number;
}

/** The whole page. */
export function outputEstimates(): string {
  const rows = STREAMED.map(row);
  const plain = rows.filter(({ hidden }) => !hidden);
  const groups: readonly (readonly [string, readonly Row[]])[] = [
    ['100 tokens or more, all of it text or tool input', plain.filter(({ reported }) => reported >= 100)],
    ['fewer than 100 tokens', plain.filter(({ reported }) => reported < 100)],
    ['with thinking or server tools, which the server sends only in part', rows.filter(({ hidden }) => hidden)],
  ];
  return [INTRODUCTION, summary(groups), table(rows)].join('\n');
}

function row({ source, response }: Cassette): Row {
  const scanner = new EventStreamScanner();
  scanner.feed(new TextEncoder().encode(response.body));
  return {
    source: source.slice(source.indexOf(':') + 1),
    hidden: /"type":"(?:thinking|server_tool_use)"/.test(response.body),
    reported: Number(scanner.deltaUsage?.['output_tokens']),
    estimated: estimatedOutputTokens(scanner.contentBytes, scanner.toolUses),
  };
}

function summary(groups: readonly (readonly [string, readonly Row[]])[]): string {
  const lines = groups.map(([name, rows]) => {
    const errors = rows.map(error).sort((a, b) => a - b);
    const sum = (of: 'reported' | 'estimated'): number => rows.reduce((total, each) => total + each[of], 0);
    const all = error({ reported: sum('reported'), estimated: sum('estimated') });
    return `| ${name} | ${rows.length} | ${percent(errors[0])} to ${percent(errors.at(-1))} | ${percent(all)} |`;
  });
  return `| recordings | how many | error of each | error of the sum |\n| --- | --- | --- | --- |\n${lines.join('\n')}\n`;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((each) => {
    const { source, hidden, reported, estimated } = each;
    return `| ${source} | ${hidden ? 'yes' : ''} | ${reported} | ${estimated} | ${percent(error(each))} |`;
  });
  return `| recording | thinking or server tools | reported | estimated | error |\n| --- | --- | --- | --- | --- |\n${lines.join('\n')}\n`;
}

function error({ reported, estimated }: Pick<Row, 'reported' | 'estimated'>): number {
  return estimated / reported - 1;
}

function percent(part = Number.NaN): string {
  return `${part > 0 ? '+' : ''}${(100 * part).toFixed(0)}%`;
}
