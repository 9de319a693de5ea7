import { textInFile } from '../../structured-file.ts';

/** The files of a configuration besides those of secrets. A closed set. */
type ConfigurationFile = 'configuration' | 'prices' | 'declaredTokens';

/** Their texts; `null` for a file that is not named. */
export type FileTexts = Readonly<Partial<Record<ConfigurationFile, string | null>>>;

/** Reads the files of a configuration, and keeps their texts for processes that are to have the same. */
export class Files {
  readonly #given: FileTexts;
  readonly #read: Partial<Record<ConfigurationFile, string | null>> = {};

  /** Reads what is in `given` from there, whatever has become of the file. */
  constructor(given: FileTexts = {}) {
    this.#given = given;
  }

  /** Returns the text of a file, or of the one in its place; `null` where `path` is, and none is in its place. Throws as `readFileSync` does. */
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
