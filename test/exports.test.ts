import assert from 'node:assert/strict';
import { join, relative } from 'node:path';
import test from 'node:test';
import ts from 'typescript';

/** An export that nothing uses is dead; one that only its own file uses is no export. The package's entries are for users. */

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

/** The exports of a module loaded by `import()` that the type of its place names. */
function lazilyImported(call: ts.CallExpression): readonly (ts.Symbol | undefined)[] {
  const [specifier] = call.arguments;
  const module = specifier === undefined ? undefined : checker.getSymbolAtLocation(specifier);
  const wanted = checker.getContextualType(call);
  if (module === undefined || wanted === undefined) return [];
  const awaited = wanted.isUnion() ? wanted.types : [wanted];
  const names = awaited.flatMap((type) => (checker.getAwaitedType(type) ?? type).getProperties());
  return names.map(({ name }) => checker.tryGetMemberInModuleExports(name, module));
}

/** The symbols that the file imports, exports again, or reaches by a namespace. */
function importsOf(source: ts.SourceFile): readonly ts.Symbol[] {
  const found: ts.Symbol[] = [];
  // Only there can a dot lead to an export, and asking what every dot leads to is asking for every type.
  const hasNamespaces = /import \* as |import\(/.test(source.text);
  const isNaming = (node: ts.Node): node is ts.ImportSpecifier | ts.ExportSpecifier | ts.PropertyAccessExpression =>
    ts.isImportSpecifier(node) || ts.isExportSpecifier(node) || (hasNamespaces && ts.isPropertyAccessExpression(node));
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      found.push(...lazilyImported(node).filter((symbol) => symbol !== undefined));
    }
    if (isNaming(node)) {
      const symbol = target(checker.getSymbolAtLocation(node.name));
      if (symbol !== undefined) found.push(symbol);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('every export in src is used by another file', () => {
  const used = new Map<ts.Symbol, Set<string>>();
  const sources = program.getSourceFiles().filter((source) => !source.isDeclarationFile);
  for (const source of sources) {
    for (const symbol of importsOf(source)) used.set(symbol, (used.get(symbol) ?? new Set()).add(source.fileName));
  }
  const unused = sources.flatMap((source) => {
    const path = relative(root, source.fileName);
    if (!path.startsWith('src/') || path.endsWith('/index.ts')) return [];
    const module = checker.getSymbolAtLocation(source);
    const names = module === undefined ? [] : checker.getExportsOfModule(module);
    return names
      .filter((symbol) => [...(used.get(symbol) ?? [])].every((file) => file === source.fileName))
      .map(({ name }) => `${path}: ${name}`);
  });
  assert.deepEqual(unused, []);
});
