// Bundles the page's script; the SVGs and fonts of Grafana's components become part of it.
import { build } from 'esbuild';

await build({
  entryPoints: [new URL('app.tsx', import.meta.url).pathname],
  outfile: process.argv[2],
  bundle: true,
  minify: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.ttf': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl' },
  logLevel: 'error',
});
