type Item = Readonly<Record<string, unknown>>;

/** A list as the API pages it by ids: `limit` (20 where it is not given), `after_id`, `before_id`. */
export function page(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const before = positionOf(all, query.get('before_id'));
  const from = before >= 0 ? Math.max(0, before - limit) : positionOf(all, query.get('after_id')) + 1;
  const to = before >= 0 ? before : Math.min(all.length, from + limit);
  const data = all.slice(from, to);
  const more = before >= 0 ? from > 0 : to < all.length;
  return { data, has_more: more, first_id: data[0]?.['id'] ?? null, last_id: data.at(-1)?.['id'] ?? null };
}

/** A list as the API pages it by cursor: `limit` (20 where it is not given) and `page`, the id to begin with. */
export function cursorPage(all: readonly Item[], query: URLSearchParams): Item {
  const limit = Number(query.get('limit') ?? 20);
  const from = Math.max(0, positionOf(all, query.get('page')));
  return { data: all.slice(from, from + limit), next_page: all[from + limit]?.['id'] ?? null };
}

/** -1 for an id that is not there. */
function positionOf(all: readonly Item[], id: string | null): number {
  return all.findIndex((each) => each['id'] === id);
}
