/** Writes a table of the fields of an interface from its comments, for pages that explain what users fill in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Each field of the interface with its comment. Throws if the file has no such interface, or a field no comment. */
export function fieldTable(file: string, name: string): string {
  const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const declaration = source.statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === name);
  if (declaration === undefined || !ts.isInterfaceDeclaration(declaration)) throw new Error(`${file} has no ${name}.`);
  const rows = declaration.members.map((member) => {
    const field = member.name?.getText(source) ?? '';
    const comment = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc)?.comment;
    if (typeof comment !== 'string') throw new Error(`${file}: ${name}.${field} has no comment.`);
    return `| \`${field}\` | ${comment.replace(/\s+/g, ' ')} |`;
  });
  return ['| field | meaning |', '| --- | --- |', ...rows].join('\n');
}
