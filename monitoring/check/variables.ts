/** Values for a dashboard's variables, Grafana's own ones among them. */
export type Values = Readonly<Record<string, string>>;

const VARIABLE = /\$\{(\w+)(?::\w+)?\}|\$(\w+)/g;

/** Names of the variables that a text uses. */
export function variablesIn(text: string): readonly string[] {
  return [...text.matchAll(VARIABLE)].map(([, braced, plain]) => braced ?? plain ?? '');
}

/** The text as Grafana would send it. Throws for a variable that has no value. */
export function interpolated(text: string, values: Values): string {
  return text.replace(VARIABLE, (written, braced?: string, plain?: string) => {
    const value = values[braced ?? plain ?? ''];
    if (value === undefined) throw new Error(`no value for ${written}`);
    return value;
  });
}

/** Grafana's interval variables for a range of so many seconds, scraped every `scrapeSeconds`. */
export function grafanaValues(rangeSeconds: number, scrapeSeconds: number): Values {
  return {
    datasource: 'prometheus',
    __rate_interval: `${4 * scrapeSeconds}s`,
    __interval: `${scrapeSeconds}s`,
    __interval_ms: String(scrapeSeconds * 1_000),
    __range: `${rangeSeconds}s`,
  };
}
