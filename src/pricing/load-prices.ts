import { readFileSync } from 'node:fs';
import { unreadable } from '../unreadable.ts';
import { pricesInvalid } from './price-file.ts';
import { type PriceTable, pricesFrom } from './prices.ts';

/**
 * The table of a JSON file: `{ "extends": "default" | "none", "checkedOn": "YYYY-MM-DD", "models": […], "serverTools": […] }`,
 * models as in the shipped `prices.json`. Reads it at once; throws a `ConfigurationError` (`PLIMSOLL_PRICES_INVALID`)
 * with every problem.
 */
export function loadPrices(path: string): PriceTable {
  return pricesFrom(parsed(path), path);
}

function parsed(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw pricesInvalid(path, [`the file: expected to read it, got ${unreadable(error)}`]);
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // The parser's own message quotes the text, which may be a file of secrets given by mistake.
    throw pricesInvalid(path, ['the file: expected JSON, got a text that is not']);
  }
}
