import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A token in its two parts: the id finds its record, the secret proves that it was handed out. */
export interface TokenParts {
  /** Not secret: it stands in logs and lists. */
  readonly id: string;
  readonly secret: string;
}

/** Digits and letters that are not mistaken for each other: 32, so that five bits of a random byte are one. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** 60 bits: ids are unique, and need not be more. */
const ID_LENGTH = 12;
/** 200 bits: nobody tries them all, so a plain hash is enough to keep. */
const SECRET_LENGTH = 40;
const TOKEN = new RegExp(`^plk_([${ALPHABET}]{${ID_LENGTH}})_([${ALPHABET}]{${SECRET_LENGTH}})$`);

/** A new token's parts. `random` gives so many bytes that nobody can foresee. */
export function newToken(random: (bytes: number) => Uint8Array = randomBytes): TokenParts {
  const drawn = (length: number): string => Array.from(random(length), (byte) => ALPHABET[byte & 31]).join('');
  return { id: drawn(ID_LENGTH), secret: drawn(SECRET_LENGTH) };
}

/** `plk_<id>_<secret>`: as it is handed out, once. */
export function tokenText({ id, secret }: TokenParts): string {
  return `plk_${id}_${secret}`;
}

/** The parts of what was presented; `null` for what cannot be a token, whatever its length. */
export function tokenParts(text: string): TokenParts | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** What is kept of a secret: its SHA-256 in hexadecimal. */
export function secretHash(secret: string): string {
  return hash('sha256', secret);
}

const NO_HASH = '0'.repeat(64);

/**
 * Whether the secret is the one of the hash, in a time that says nothing of how much of it is right. Without a hash it
 * is not, after the same work: whether an id is known does not show in the time either.
 */
export function isSecretOf(secret: string, kept: string | null): boolean {
  const isSame = timingSafeEqual(hash('sha256', secret, 'buffer'), Buffer.from(kept ?? NO_HASH, 'hex'));
  return isSame && kept !== null;
}
