/** What can be written: strings, numbers, booleans, lists and maps of them. */
export type YamlValue = string | number | boolean | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/**
 * A document as YAML. Strings that could be read as something else are quoted as JSON quotes them, which YAML allows; those
 * with quotes or lines of their own are blocks, so that a query reads as it was written.
 */
export function yamlText(value: YamlValue): string {
  return isScalar(value) ? `${scalar(value)}\n` : `${lines(value).join('\n')}\n`;
}

function lines(value: YamlValue): readonly string[] {
  if (isScalar(value)) return isBlock(value) ? ['|-', ...indented(value.split('\n'))] : [scalar(value)];
  if (isEmpty(value)) return [isList(value) ? '[]' : '{}'];
  if (isList(value)) return value.flatMap(listed);
  return Object.entries(value).flatMap(([key, item]) => {
    const [first = '', ...rest] = lines(item);
    return isScalar(item) || isEmpty(item)
      ? [`${scalar(key)}: ${first}`, ...rest]
      : [`${scalar(key)}:`, ...indented([first, ...rest])];
  });
}

function listed(item: YamlValue): readonly string[] {
  return indented(lines(item)).map((line, index) => (index === 0 ? `- ${line.slice(2)}` : line));
}

function indented(of: readonly string[]): readonly string[] {
  return of.map((line) => (line === '' ? '' : `  ${line}`));
}

/** A block that begins with a space would need to say how deep it is. */
function isBlock(value: string | number | boolean): value is string {
  return typeof value === 'string' && /["\\\n]/.test(value) && /^[!-~][^\t\r]*$/.test(value.replaceAll('\n', ''));
}

function isScalar(value: YamlValue): value is string | number | boolean {
  return typeof value !== 'object';
}

function isList(value: YamlValue): value is readonly YamlValue[] {
  return Array.isArray(value);
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

/** Letters, digits and marks that mean nothing in YAML; not what is a number, a truth value or nothing there. */
const PLAIN = /^(?!(?:true|false|yes|no|on|off|null|y|n)$)(?:[a-z_/][\w/.-]*|\d+[smhdw])$/i;

function scalar(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN.test(value) ? value : JSON.stringify(value);
}
