import { textInFile } from '../../structured-file.ts';

/** The files of a configuration besides those of secrets. A closed set. */
type ConfigurationFile = 'configuration' | 'prices' | 'declaredTokens';

/** Their texts; `null` for a file that is not named. Those of secrets by the paths of their files. */
export type FileTexts = Readonly<Partial<Record<ConfigurationFile, string | null>>> & {
  readonly secrets?: Readonly<Record<string, string>>;
};

/** Reads the files of a configuration, and keeps their texts for processes that must have the same. */
export class Files {
  readonly #given: FileTexts;
  readonly #read: Partial<Record<ConfigurationFile, string | null>> = {};
  readonly #secrets: Record<string, string> = {};

  /** The texts in `given` replace those of the files, whatever has become of them. */
  constructor(given: FileTexts = {}) {
    this.#given = given;
  }

  /** Returns the given text, or else that of the file at `path`; `null` without either. Throws as `readFileSync` does. */
  text(file: ConfigurationFile, path: string | null): string | null {
    const { [file]: given } = this.#given;
    const text = given === undefined ? (path === null ? null : textInFile(path)) : given;
    this.#read[file] = text;
    return text;
  }

  /**
   * Reads a secret, which may change while it is in use: the given text stands in only where the file is away or empty, as it
   * does for those that have read it before. Throws as `read` does.
   */
  secret(file: string, read: (file: string) => string): string {
    const given = this.#given.secrets?.[file];
    let text = '';
    try {
      text = read(file);
    } catch (error) {
      if (given === undefined) throw error;
    }
    return (this.#secrets[file] = text || (given ?? ''));
  }

  /** All that it has read. */
  get texts(): FileTexts {
    return { ...this.#read, secrets: this.#secrets };
  }
}
