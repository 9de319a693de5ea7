/** Put into the page by scripts/preview.ts: a dashboard's panels, each with what Prometheus answered to its queries. */
export interface Preview {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly stepSeconds: number;
  /** Of the dashboard's variables. */
  readonly values: Readonly<Record<string, string>>;
  readonly panels: readonly PanelAnswers[];
}

export interface PanelAnswers {
  /** As the dashboard's file has it; its builders' types are those of the main package. */
  readonly panel: any;
  /** For each query its series. */
  readonly answers: readonly (readonly Answer[])[];
}

export interface Answer {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export const preview = (window as unknown as { preview: Preview }).preview;

/** A text of a dashboard with its variables' values in it. */
export function filled(text: string): string {
  return text.replace(/\$\{?(\w+)\}?/g, (written, name) => preview.values[name] ?? written);
}
