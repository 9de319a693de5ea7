import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * Loads a package that only some programs have installed, when it is first needed. A bundle has no place of its own on
 * the disk, or has the place of the machine it was made on: there the package is looked for from the working directory.
 * Throws what `require` throws where it is in neither place.
 */
export function installed(name: string): unknown {
  // In a bundle of CommonJS format `import.meta` is an empty object.
  const here = (import.meta as { readonly url?: string }).url;
  const fromCwd = createRequire(join(process.cwd(), 'package.json'));
  if (here === undefined) return fromCwd(name);
  try {
    return createRequire(here)(name);
  } catch (error) {
    try {
      return fromCwd(name);
    } catch {
      throw error;
    }
  }
}
