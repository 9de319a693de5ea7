import ts from 'typescript';

/**
 * What TypeScript finds in the files of the project in a folder, as tsc prints it; empty when they compile. The sources of
 * plimsoll that they import are not judged again: `npm run types` judges them.
 */
export function typeErrors(folder: string): string {
  const { config, error } = ts.readConfigFile(`${folder}/tsconfig.json`, (path) => ts.sys.readFile(path)) as {
    readonly config?: unknown;
    readonly error?: ts.Diagnostic;
  };
  const { fileNames, options, errors } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  const program = ts.createProgram(fileNames, options);
  const found = fileNames
    .flatMap((name) => program.getSourceFile(name) ?? [])
    .flatMap((source) => [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]);
  const all = [...(error === undefined ? [] : [error]), ...errors, ...program.getOptionsDiagnostics(), ...found];
  return ts.formatDiagnostics(all, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => folder,
    getNewLine: () => '\n',
  });
}
