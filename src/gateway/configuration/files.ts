import { textInFile } from '../../structured-file.ts';

/** The files of a configuration besides those of secrets. A closed set. */
type ConfigurationFile = 'configuration' | 'prices' | 'declaredTokens';

/** Their texts; `null` for a file that is not named. */
export type FileTexts = Readonly<Partial<Record<ConfigurationFile, string | null>>>;

/** Reads the files of a configuration, and keeps their texts for processes that must have the same. */
export class Files {
  readonly #given: FileTexts;
  readonly #read: Partial<Record<ConfigurationFile, string | null>> = {};

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

  /** All that it has read. */
  get texts(): FileTexts {
    return this.#read;
  }
}
