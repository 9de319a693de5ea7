import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const folder = join(import.meta.dirname, '..', 'console');

/** The files of the live page by name, joined with what they import, as `src/console/handler.ts` serves them. */
export async function consolePage(): Promise<string> {
  const script = await bundled('main.ts');
  const styles = await bundled('style.css');
  const charts = readFileSync(join(import.meta.dirname, '..', 'node_modules/uplot/dist/uPlot.min.css'), 'utf8');
  const files = {
    'index.html': readFileSync(join(folder, 'index.html'), 'utf8'),
    'page.css': `${charts.trim()}\n${styles}`,
    'page.js': script,
  };
  return `${JSON.stringify(files, null, 2)}\n`;
}

async function bundled(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, name)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    legalComments: 'inline',
    absWorkingDir: folder,
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}
