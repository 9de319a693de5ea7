import { DEFAULT_SETTINGS } from './settings.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

interface Variable {
  readonly name: string;
  readonly label: string;
  readonly query: { readonly query: string };
}

interface Dashboard {
  readonly templating: { readonly list: readonly Variable[] };
}

/** A dashboard as it is shipped, with links to other runbooks. */
export function dashboardWithRunbooks(text: string, runbookBaseUrl: string): string {
  const shipped = `"${DEFAULT_SETTINGS.runbookBaseUrl}$`;
  return text.replaceAll(shipped, `"${runbookBaseUrl.replace(/\/$/, '')}/$`);
}

/** A dashboard as it is shipped, with other labels in place of `cluster` and `namespace`: in its queries and as variables. */
export function groupedDashboard(text: string, groupBy: readonly string[]): string {
  if (groupBy.join() === SHIPPED.join()) return text;
  const dashboard = JSON.parse(text) as Dashboard & { readonly [key: string]: Json };
  const { list } = dashboard.templating;
  const [pattern] = list.filter(({ name }) => name === SHIPPED[0]);
  const rest = list.filter(({ name }) => !SHIPPED.includes(name));
  const own = groupBy.flatMap((label, index) =>
    pattern === undefined ? [] : [variable(pattern, label, groupBy.slice(0, index))],
  );
  const [source, ...others] = rest;
  const variables = [...(source === undefined ? [] : [source]), ...own, ...others];
  const changed = rewritten({ ...dashboard, templating: { list: variables as unknown as Json } }, groupBy);
  return `${JSON.stringify(changed, null, 2)}\n`;
}

const SHIPPED = DEFAULT_SETTINGS.groupBy;

function variable(pattern: Variable, name: string, before: readonly string[]): Variable {
  const [, series = ''] = /^label_values\((\S+), \w+\)$/.exec(pattern.query.query) ?? [];
  const narrowed = before.length === 0 ? series : `${series}{${chosen(before)}}`;
  const label = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const query = { ...pattern.query, query: `label_values(${narrowed}, ${name})`, refId: name };
  return { ...pattern, name, label, query };
}

function chosen(labels: readonly string[]): string {
  return labels.map((label) => `${label}=~"$${label}"`).join(', ');
}

/** Everywhere that a query, a link or a column names the labels. */
function rewritten(value: Json, groupBy: readonly string[]): Json {
  if (typeof value === 'string') return rewrittenText(value, groupBy);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map((item) => rewritten(item, groupBy));
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (key === SHIPPED[0] && SHIPPED.every((label) => label in value)) {
        const title = (label: string): Json =>
          typeof item === 'string' ? `${label.charAt(0).toUpperCase()}${label.slice(1)}` : item;
        return groupBy.map((label) => [label, title(label)]);
      }
      return SHIPPED.includes(key) ? [] : [[key, rewritten(item, groupBy)]];
    }),
  );
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

/** The values as an annotation shows them, the narrowest first. */
function legend(labels: readonly string[]): string {
  return labels
    .map((label) => `{{${label}}}`)
    .reverse()
    .join(' ');
}

function rewrittenText(text: string, groupBy: readonly string[]): string {
  const links = (labels: readonly string[]): string => labels.map((label) => `\${${label}:queryparam}`).join('&');
  const pairs = [
    [chosen(['job', ...SHIPPED]), chosen(['job', ...groupBy])],
    [chosen([...SHIPPED, 'job']), chosen([...groupBy, 'job'])],
    [`{${chosen(SHIPPED)}}`, groupBy.length === 0 ? '' : `{${chosen(groupBy)}}`],
    [['job', ...SHIPPED].join(', '), ['job', ...groupBy].join(', ')],
    [links(['job', ...SHIPPED]), links(['job', ...groupBy])],
    [legend(SHIPPED), legend(groupBy)],
  ] as const;
  return pairs.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
}
