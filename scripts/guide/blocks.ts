/** A fenced block of a Markdown page. */
export interface Block {
  /** After the fence: `ts`, `console`, … */
  readonly language: string;
  readonly body: string;
  /** The comment `<!-- … -->` on the line before it; empty where there is none. */
  readonly directive: string;
}

const BLOCK = /(?:^<!-- ([^\n]*?) -->\n)?^```(\w+)\n([^]*?)^```$/gm;

/** The page with each block's body replaced by what `rewritten` makes of it, one after the other. */
export async function rewrittenBlocks(page: string, rewritten: (block: Block) => Promise<string>): Promise<string> {
  let made = '';
  let end = 0;
  for (const match of page.matchAll(BLOCK)) {
    const [whole, directive = '', language = '', body = ''] = match;
    const head = whole.slice(0, whole.length - body.length - '```'.length);
    made += `${page.slice(end, match.index)}${head}${await rewritten({ language, body, directive })}\`\`\``;
    end = match.index + whole.length;
  }
  return made + page.slice(end);
}

/** The file that a block is or changes, by its first line: `// digest.ts`, `# budgets.yaml`, `--- digest.ts`. */
export function fileOf({ body }: Block): string | undefined {
  return /^(?:\/\/|#|---) ([\w.-]+)$/.exec(body.split('\n')[0] ?? '')?.[1];
}

/** The files of a page as they are at its end. */
export async function filesOf(page: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  await rewrittenBlocks(page, async (block) => {
    const file = fileOf(block);
    if (file !== undefined) files.set(file, written(block, files.get(file) ?? ''));
    return block.body;
  });
  return files;
}

/** The text of a block's file after the block; `before` is what it was. */
export function written({ language, body }: Block, before: string): string {
  return language === 'diff' ? patched(before, body) : body;
}

/** The text with the changes of a diff made: each run of its lines must be found once. The first line names the file. */
export function patched(text: string, diff: string): string {
  const lines = diff.trimEnd().split('\n').slice(1);
  const hunks = lines
    .join('\n')
    .split(/^@@.*\n?/m)
    .filter((hunk) => hunk.trim() !== '');
  return hunks.reduce((patchedText, hunk) => {
    const each = hunk.trimEnd().split('\n');
    const side = (sign: string): string =>
      each
        .flatMap((line) => (line === '' || line.startsWith(' ') || line.startsWith(sign) ? [line.slice(1)] : []))
        .join('\n');
    const [before, after] = [side('-'), side('+')];
    if (patchedText.split(before).length !== 2)
      throw new Error(`expected these lines once, did not find them so:\n${before}`);
    return patchedText.replace(before, () => after);
  }, text);
}
