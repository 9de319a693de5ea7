/**
 * Models before 4.7 make fewer tokens of a text. Source: the API's model pages, August 2026
 * ("4.7 and later"), and Haiku 5.5's own, October 2026.
 */
const FIRST_NEW = { major: 4, minor: 7 };
/** About 30 % more, by the same pages. */
const MORE_TOKENS = 1.3;

/**
 * How many times as many tokens the text of a call comes to on another model, at most: 1.3 where that has the newer
 * tokenizer and the present one has not, else 1. A model whose version its id does not say counts as new.
 */
export function tokenFactor(from: string, to: string): number {
  return !hasNewTokenizer(from) && hasNewTokenizer(to) ? MORE_TOKENS : 1;
}

function hasNewTokenizer(model: string): boolean {
  if (/^claude-\d/.test(model)) return false;
  const [, major, minor = '0'] = /^claude-[a-z]+-(\d+)(?:-(\d{1,2}))?(?:-\d{8})?$/.exec(model) ?? [];
  if (major === undefined || Number(major) > FIRST_NEW.major) return true;
  return Number(major) === FIRST_NEW.major && Number(minor) >= FIRST_NEW.minor;
}
