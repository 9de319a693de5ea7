/** The name that is fewest typing mistakes away, at most a third of its length; `null` where none is near. */
export function nearest(name: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let fewest = Math.floor(name.length / 3) + 1;
  for (const candidate of names) {
    const count = mistakes(name.toLowerCase(), candidate.toLowerCase());
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** Characters to add, drop or change: Levenshtein's distance, a row at a time. */
function mistakes(typed: string, meant: string): number {
  let row = Array.from({ length: meant.length + 1 }, (_, index) => index);
  for (let i = 1; i <= typed.length; i++) {
    const next = [i];
    for (let j = 1; j <= meant.length; j++) {
      const changed = (row[j - 1] ?? 0) + (typed[i - 1] === meant[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[meant.length] ?? 0;
}
