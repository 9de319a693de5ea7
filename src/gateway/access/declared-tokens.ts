import type { TokenRecord, TokenStore } from './tokens.ts';

/**
 * Adds tokens that are declared in a file to those of a store. What the store knows of a token counts, so that one can be
 * revoked at once; a store that has lost everything knows nothing, and then the file counts. While the store does not
 * answer, a declared token is not known either: it may have been revoked.
 */
export function withDeclared(store: TokenStore, declared: () => ReadonlyMap<string, TokenRecord>): TokenStore {
  return {
    ...store,
    find: async (id) => (await store.find(id)) ?? declared().get(id) ?? null,
    async list() {
      const kept = await store.list();
      const known = new Set(kept.map(({ id }) => id));
      return [...[...declared().values()].filter(({ id }) => !known.has(id)), ...kept];
    },
    async revoke(id, atMs, actor) {
      if (await store.revoke(id, atMs, actor)) return true;
      const record = declared().get(id);
      if (record === undefined) return false;
      await store.put({ ...record, createdAtMs: atMs, revokedAtMs: atMs }, actor);
      return true;
    },
  };
}
