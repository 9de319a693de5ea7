/**
 * What has one meaning has one colour on every dashboard. Outcomes, statuses, reasons of retries and decisions, by their colour.
 */
export const COLORS: Readonly<Record<string, readonly string[]>> = {
  green: ['ok', '200', 'allowed'],
  orange: ['429', 'rate_limited'],
  purple: ['529', 'overloaded'],
  red: ['500', 'server_error', 'unavailable'],
  'dark-red': ['timeout'],
  'light-red': ['connection_error', 'stream_error', 'truncated'],
  yellow: ['401', 'unauthorized', 'warned'],
  'dark-orange': ['spend_limited', 'blocked'],
  blue: ['400', 'invalid_request'],
  text: ['cancelled', 'abandoned'],
};
