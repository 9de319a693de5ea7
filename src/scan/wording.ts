const NAMES: Readonly<Record<string, string>> = {
  api_key: 'an API key',
  admin_key: 'an admin key',
  enterprise_admin_key: 'an admin key of an enterprise',
  oauth_token: 'an OAuth access token',
  refresh_token: 'an OAuth refresh token',
  session: 'the session of a browser',
  gateway_token: 'a token of a plimsoll gateway',
};

/** A kind of secret as a sentence names it. */
export function nameOfKind(kind: string): string {
  return NAMES[kind] ?? 'a secret of a kind that is new';
}

/** What to do about a secret that others may have seen. */
export function consequence(kind: string): string {
  if (kind === 'session') return 'Log out of claude.ai in that browser.';
  if (kind === 'gateway_token') return 'Revoke the token: plimsoll gateway token revoke ID.';
  if (kind === 'oauth_token' || kind === 'refresh_token') return 'Log out of the program that the token was given to.';
  return 'Disable the key in the Console: https://platform.claude.com/settings/keys';
}

/** What many hope, and should not. */
export const DELETING_IS_NOT_ENOUGH = 'Deleting the text takes nothing back: who has seen a secret can use it.';
