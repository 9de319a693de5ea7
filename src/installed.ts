import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * Loads a package that only some programs have installed, when it is first needed. A bundle has no place of its own on
 * the disk, or has the place of the machine it was made on: there the package is looked for from the working directory.
 * Throws what `require` throws where it is in neither place.
 */
export function installed(name: string): unknown {
  const here = ownUrl();
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

/** A folder that this package ships beside its code; `null` in a bundle, where plimsoll itself need not be installed. */
export function shippedFolder(...path: readonly string[]): string | null {
  try {
    return join(dirname(createRequire(ownUrl() ?? '').resolve('plimsoll/package.json')), ...path);
  } catch {
    return null;
  }
}

/** In a bundle of CommonJS format `import.meta` is an empty object. */
function ownUrl(): string | undefined {
  return (import.meta as { readonly url?: string }).url;
}
