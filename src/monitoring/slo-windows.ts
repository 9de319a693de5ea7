/** A pair of windows and the multiple of the error budget's even pace at which both must burn. */
export interface BurnWindow {
  readonly severity: 'page' | 'ticket';
  readonly long: SloWindow;
  readonly short: SloWindow;
  readonly factor: number;
}

/**
 * Of an error budget for 30 days, the page windows spend 2 % in an hour or 5 % in six hours, the ticket windows 10 % in a day
 * or in three. Source: "Alerting on SLOs", The Site Reliability Workbook, chapter 5.
 */
export const BURN_WINDOWS: readonly BurnWindow[] = [
  { severity: 'page', long: '1h', short: '5m', factor: 14.4 },
  { severity: 'page', long: '6h', short: '30m', factor: 6 },
  { severity: 'ticket', long: '1d', short: '2h', factor: 3 },
  { severity: 'ticket', long: '3d', short: '6h', factor: 1 },
];

/** Each window once, shortest first. */
export const SLO_WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;
export type SloWindow = (typeof SLO_WINDOWS)[number];
