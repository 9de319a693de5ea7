import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { alertsOver } from './alerts.ts';
import { alertLines } from './alert-lines.ts';
import { fileOf, rewrittenBlocks, written, type Block } from './blocks.ts';
import { SCRAPE_SECONDS, type Page } from './scraping.ts';

const root = join(import.meta.dirname, '..', '..');
const DAY = '2026-11-24';
/** Beside these a service of the guide has nothing installed. */
const PACKAGES = ['@anthropic-ai/sdk', 'prom-client', 'yaml'];

/**
 * The guide as it is when everything in it has just been done, from the top to the bottom:
 *
 * | block                                  | what is done                                                              |
 * | -------------------------------------- | ------------------------------------------------------------------------- |
 * | code or YAML whose first line names it | the file is written                                                       |
 * | `diff`                                 | the file that its first line names is changed                             |
 * | `<!-- play: 09:00 to 10:30 -->`        | the service runs for that time; the block is what it said                 |
 * | `<!-- at 10:02 -->` and `console`      | each line after `$` is run at that time; what it prints comes after it    |
 * | `<!-- alerts: 09:00 to 10:30 -->`      | the block is the alerts of that time, by what was scraped in it           |
 *
 * Needs promtool.
 */
export async function transcribed(page: string, promtool: string): Promise<string> {
  return (await replayed(page, promtool)).text;
}

/** The same, with the metrics pages that the guide's Prometheus read on that day. */
export async function replayed(
  page: string,
  promtool: string,
): Promise<{ readonly text: string; readonly pages: readonly Page[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-guide-'));
  try {
    const session = new Session(folder, promtool);
    const text = await rewrittenBlocks(page, (block) => session.made(block));
    return { text, pages: session.pages() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A folder with the service in it, and what has happened so far. */
class Session {
  readonly #folder: string;
  readonly #promtool: string;
  readonly #env: Record<string, string> = { ANTHROPIC_AUTH_TOKEN: 'simulated', PATH: process.env['PATH'] ?? '' };

  constructor(folder: string, promtool: string) {
    this.#folder = folder;
    this.#promtool = promtool;
    this.#write('package.json', '{"type":"module"}');
    this.#write('log.txt', logText());
    this.#link('plimsoll', root);
    for (const name of PACKAGES) this.#link(name, join(root, 'node_modules', name));
  }

  /** The body of the block as it is when it has been done. */
  async made(block: Block): Promise<string> {
    const { body, directive } = block;
    const [, from, to] = /(\d\d:\d\d)(?: to (\d\d:\d\d))?/.exec(directive) ?? [];
    if (directive.startsWith('play') && from !== undefined && to !== undefined) return this.#play(from, to);
    if (directive.startsWith('alerts') && from !== undefined && to !== undefined) return this.#alerts(from, to);
    if (directive.startsWith('at') && from !== undefined) return this.#console(body, from);
    const file = fileOf(block);
    if (file === undefined) return body;
    const path = join(this.#folder, file);
    this.#write(file, written(block, existsSync(path) ? readFileSync(path, 'utf8') : ''));
    return body;
  }

  async #play(from: string, to: string): Promise<string> {
    const command = `${this.#node('world.ts')} '${join(import.meta.dirname, 'play.ts')}' ${moment(to)} pages.jsonl`;
    return this.#shell(command, from);
  }

  async #console(body: string, at: string): Promise<string> {
    const page = this.pages().findLast(({ atMs }) => atMs <= Date.parse(moment(at)));
    this.#write('page.txt', page?.text ?? '');
    let made = '';
    for (const [line, command = ''] of body.matchAll(/^\$ ((?:.*\\\n)*.*)$/gm)) {
      const exported = /^export (.*)$/.exec(command)?.[1]?.split(' ') ?? [];
      for (const pair of exported) this.#env[pair.split('=')[0] ?? ''] = pair.split('=')[1] ?? '';
      made += `${line}\n${exported.length > 0 ? '' : await this.#shell(command, at)}`;
    }
    return made;
  }

  async #alerts(from: string, to: string): Promise<string> {
    const [fromMs, toMs] = [Date.parse(moment(from)), Date.parse(moment(to))];
    const pages = this.pages().filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
    const alerts = await alertsOver({
      promtool: this.#promtool,
      rules: join(root, 'alerts'),
      pages,
      scrapeSeconds: SCRAPE_SECONDS,
      labels: { job: 'plimsoll', instance: 'harbor-1:9464' },
    });
    return alertLines(alerts);
  }

  pages(): readonly Page[] {
    if (!existsSync(join(this.#folder, 'pages.jsonl'))) return [];
    const lines = readFileSync(join(this.#folder, 'pages.jsonl'), 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Page);
  }

  #node(loaded: string): string {
    return `'${process.execPath}' --no-warnings --conditions=plimsoll-source --import '${join(import.meta.dirname, loaded)}'`;
  }

  /** What the command prints. In its place stand the metrics page of that time, and the commands of this repository. */
  #shell(command: string, at: string): Promise<string> {
    const main = join(root, 'src', 'cli', 'main.ts');
    const script = `
      curl() { cat page.txt; }
      node() { ${this.#node('world.ts')} "$@"; }
      npx() {
        shift
        case "$1" in
          organization) ${this.#node('books.ts')} '${main}' "$@" ;;
          *) ${this.#node('still.ts')} '${main}' "$@" ;;
        esac
      }
      ${command}`;
    const env = { ...this.#env, GUIDE_NOW: moment(at) };
    return new Promise((resolve, reject) => {
      execFile('/bin/sh', ['-c', script], { cwd: this.#folder, env, maxBuffer: 1e9 }, (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(new Error('sh did not run', { cause: error }));
        else resolve(stdout + stderr);
      });
    });
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text);
  }

  #link(name: string, to: string): void {
    const link = join(this.#folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(to, link);
  }
}

function moment(time: string): string {
  return `${DAY}T${time}:00Z`;
}

const ENTRIES = 1_200;
const REPORT = 'gauge at the outer mole reads 3.1 m, wind southwest 5, and the vessel at berth 7 reports nothing new; ';
const REPORTS_IN_ENTRY = 22;

/** A night's log of the harbor, an entry a line. */
function logText(): string {
  return Array.from({ length: ENTRIES }, (_, index) => `entry ${index + 1}: ${REPORT.repeat(REPORTS_IN_ENTRY)}\n`).join(
    '',
  );
}
