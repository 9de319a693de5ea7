/** How often the guide's Prometheus reads a page, as the shipped `prometheus.yml` does. */
export const SCRAPE_SECONDS = 15;

/** A page of metrics as it was read. */
export interface Page {
  readonly atMs: number;
  readonly text: string;
}
