import { printable, type Terminal } from './command.ts';

const TONES = { bold: '1', dim: '2', bad: '31', warning: '33' } as const;

/** One line, and how it is to be seen where there is color. */
export interface Line {
  readonly text: string;
  readonly tone?: keyof typeof TONES;
}

/** Writes what a terminal would obey as text, and cuts what is wider. */
export function fittedText(text: string, columns: number): string {
  const shown = printable(text).trimEnd();
  return shown.length <= columns ? shown : `${shown.slice(0, columns - 1)}…`;
}

/** A screen of its own on a terminal, which is as it was once the screen is closed. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #color: boolean;

  constructor(terminal: Terminal, color: boolean) {
    this.#terminal = terminal;
    this.#color = color;
    terminal.write('\u001b[?1049h\u001b[?25l');
  }

  /** Draws over what is there: nothing flickers. Lines that find no room are left out. */
  draw(lines: readonly Line[]): void {
    const { columns, rows } = this.#terminal;
    const drawn = lines.slice(0, Math.max(1, rows)).map((line) => `${this.#styled(line, columns)}\u001b[K`);
    this.#terminal.write(`\u001b[H${drawn.join('\r\n')}\u001b[J`);
  }

  close(): void {
    this.#terminal.write('\u001b[?25h\u001b[?1049l');
  }

  #styled({ text, tone }: Line, columns: number): string {
    const fitted = fittedText(text, columns);
    return tone === undefined || !this.#color ? fitted : `\u001b[${TONES[tone]}m${fitted}\u001b[0m`;
  }
}
