const NAMES: Readonly<Record<string, string>> = {
  api_key: 'an API key',
  admin_key: 'an admin key',
  enterprise_admin_key: 'an admin key of an enterprise',
  oauth_token: 'an OAuth access token',
  refresh_token: 'an OAuth refresh token',
  session: 'the session of a browser',
};

/** A kind of secret as a sentence names it. */
export function nameOfKind(kind: string): string {
  return NAMES[kind] ?? 'a secret of a kind that is new';
}

/** What to do about a secret that others may have seen. */
export function consequence(kind: string): string {
  if (kind === 'session') return 'Log out of claude.ai in that browser: deleting the text does not end the session.';
  if (kind === 'oauth_token' || kind === 'refresh_token') {
    return 'Log out of the program it was given to: deleting the text does not take it back.';
  }
  return 'Disable it at https://platform.claude.com/settings/keys: deleting the text does not take it back.';
}
