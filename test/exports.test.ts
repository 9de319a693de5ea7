import assert from 'node:assert/strict';
import { join, relative } from 'node:path';
import test from 'node:test';
import ts from 'typescript';

/** An export that nothing uses is dead; one that only its own file uses is no export. The package's entries are for users. */

/** The rooms in which every export has a reader in another file. */
const ROOMS = ['express', 'keys', 'otel', 'rules', 'scan', 'simulator', 'tier'];

const root = join(import.meta.dirname, '..');
const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
  config: unknown;
};
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
const program = ts.createProgram(fileNames, options);
const checker = program.getTypeChecker();

/** The symbol that a name stands for, through imports and re-exports. */
function target(symbol: ts.Symbol | undefined): ts.Symbol | undefined {
  return symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0
    ? checker.getAliasedSymbol(symbol)
    : symbol;
}

/** For each symbol that the file imports, exports again, or reaches by a namespace: that it is used here. */
function importsOf(source: ts.SourceFile): readonly ts.Symbol[] {
  const found: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportSpecifier(node) || ts.isExportSpecifier(node) || ts.isPropertyAccessExpression(node)) {
      const symbol = target(checker.getSymbolAtLocation(node.name));
      if (symbol !== undefined) found.push(symbol);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('every export of these rooms is used by another file', () => {
  const used = new Map<ts.Symbol, Set<string>>();
  const sources = program.getSourceFiles().filter((source) => !source.isDeclarationFile);
  for (const source of sources) {
    for (const symbol of importsOf(source)) used.set(symbol, (used.get(symbol) ?? new Set()).add(source.fileName));
  }
  const unused = sources.flatMap((source) => {
    const path = relative(root, source.fileName);
    if (!ROOMS.some((room) => path.startsWith(`src/${room}/`)) || path.endsWith('/index.ts')) return [];
    const module = checker.getSymbolAtLocation(source);
    const names = module === undefined ? [] : checker.getExportsOfModule(module);
    return names
      .filter((symbol) => [...(used.get(symbol) ?? [])].every((file) => file === source.fileName))
      .map(({ name }) => `${path}: ${name}`);
  });
  assert.deepEqual(unused, []);
});
