import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

/** A TypeScript example of a page, as a file beside the page. */
interface Snippet {
  readonly page: string;
  readonly file: string;
  readonly text: string;
}

const snippets: readonly Snippet[] = globSync('docs/*.md', { cwd: root })
  .sort()
  .flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text = ''], index) => ({
      page,
      file: join(root, `${page}.${index}.ts`),
      text: `${text}\nexport {};\n`,
    })),
  );

/** "Cannot find name", with and without a guess at what was meant, and a shorthand property without a value. */
const UNDECLARED: ReadonlySet<number> = new Set([2304, 2552, 18004]);

test('examples of the manual use only names that their page declares', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const texts = new Map(snippets.map(({ file, text }) => [file, text]));
  const plain = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...plain,
    fileExists: (file) => texts.has(file) || plain.fileExists(file),
    readFile: (file) => texts.get(file) ?? plain.readFile(file),
    getSourceFile: (file, language) => {
      const text = texts.get(file);
      return text === undefined ? plain.getSourceFile(file, language) : ts.createSourceFile(file, text, language, true);
    },
  };
  const program = ts.createProgram({ rootNames: [...texts.keys()], options, host });
  const declared = new Map<string, Set<string>>();
  const missing = snippets.flatMap(({ page, file, text }) => {
    const source = program.getSourceFile(file);
    const names = declared.get(page) ?? new Set();
    declared.set(page, names);
    const undeclared = program
      .getSemanticDiagnostics(source)
      .filter(({ code }) => UNDECLARED.has(code))
      .map(({ start = 0, length = 0 }) => text.slice(start, start + length))
      .filter((name) => !names.has(name));
    for (const name of declaredIn(source)) names.add(name);
    return undeclared.map((name) => `${page}: ${name}`);
  });
  assert.ok(snippets.length > 15, `${snippets.length} examples found`);
  assert.deepEqual(missing, []);
});

function declaredIn(source: ts.SourceFile | undefined): readonly string[] {
  return (source?.statements ?? []).flatMap((statement) => {
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name }) => name.getText(source));
    const clause = ts.isImportDeclaration(statement) ? statement.importClause : undefined;
    const bindings = clause?.namedBindings;
    return [
      ...(clause?.name === undefined ? [] : [clause.name.text]),
      ...(bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements.map(({ name }) => name.text) : []),
    ];
  });
}
