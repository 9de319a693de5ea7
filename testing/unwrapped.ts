/** The lines that a command printed, with those that only continue a sentence, and are indented, joined to it. */
export function unwrapped(lines: readonly string[]): readonly string[] {
  return lines.length === 0
    ? []
    : lines
        .join('\n')
        .replaceAll(/\n {2}(?=\S)/g, ' ')
        .split('\n');
}
