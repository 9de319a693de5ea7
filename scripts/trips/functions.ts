import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = new URL('../../src/', import.meta.url).href;

const entered: string[] = [];
let isRecording = false;

/** The name of a global: code of `src/` that is recorded says through it which file a function is in when it is entered. */
const ENTER = '__plimsollTripEntered';

/** Makes every module of `src/` that is loaded from now on say when a function of it is entered; the simulator's do not. */
export function recordFunctions(): void {
  Object.assign(globalThis, { [ENTER]: (file: string) => isRecording && entered.push(file) });
  registerHooks({
    load(url, context, next) {
      const isOurs = url.startsWith(SRC) && url.endsWith('.ts') && !url.startsWith(`${SRC}simulator/`);
      if (!isOurs) return next(url, context);
      const source = recording(url.slice(SRC.length), readFileSync(fileURLToPath(url), 'utf8'));
      return { format: 'module', source, shortCircuit: true };
    },
  });
}

/** The file of each function of `src/` that is entered while `step` runs and in the turn after it, in order. */
export async function functionsEntered(step: () => Promise<unknown>): Promise<readonly string[]> {
  entered.length = 0;
  isRecording = true;
  await step();
  // What ends after the answer has been read, such as settling a budget, belongs to the call.
  await new Promise((resolve) => setTimeout(resolve, 50));
  isRecording = false;
  return [...entered];
}

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** JavaScript of a module that calls the global `ENTER` at the start of each of its functions. */
function recording(file: string, text: string): string {
  const insertions: Insertion[] = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const call = `globalThis.${ENTER}(${JSON.stringify(file)})`;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const start = node.body.getStart(source);
      if (ts.isBlock(node.body)) insertions.push({ at: start + 1, text: ` ${call};` });
      else insertions.push({ at: start, text: `(${call}, ` }, { at: node.body.end, text: ')' });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  const { outputText } = ts.transpileModule(inserted(text, insertions), {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  return outputText;
}

function inserted(text: string, insertions: readonly Insertion[]): string {
  return insertions
    .toSorted((one, other) => other.at - one.at)
    .reduce((made, { at, text: added }) => made.slice(0, at) + added + made.slice(at), text);
}
