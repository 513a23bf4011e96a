import { errorsOf } from './vault-answers.js';

/** A text with which Vault refuses a login, and how to solve it. */
export interface LoginRefusal {
  /** Its start; the rest is never shown, because it may repeat what was sent (`invalid secret_id "…"`). */
  readonly text: string;
  /** Shown instead of {@link text}. */
  readonly shown?: string;
  readonly advice?: string;
  /** Vault could not ask a third party: the credentials were not checked, and the login is retried as in an outage. */
  readonly isOutage?: boolean;
}

/** How Vault and OpenBao refuse the logins of one auth method, from the source of the method. */
export interface LoginRefusals {
  readonly known: readonly LoginRefusal[];
  /** The meaning of a bare `permission denied` for the method. */
  readonly denied?: string;
}

/** For a method whose refusals contain only a status. */
export const NO_KNOWN_REFUSALS: LoginRefusals = { known: [] };

/** Of claims in tokens (hashicorp/cap, `jwt/jwt.go`), with the methods kubernetes and jwt. */
export const CLAIM_REFUSALS: readonly LoginRefusal[] = [
  {
    text: 'invalid audience (aud) claim',
    advice: 'the token is for another audience than the role in Vault asks for',
  },
  { text: 'invalid issuer (iss) claim' },
  { text: 'invalid subject (sub) claim' },
  { text: 'invalid expiration time (exp) claim', advice: 'the token has expired' },
  { text: 'invalid not before (nbf) claim', advice: 'compare the clocks' },
  { text: 'invalid issued at (iat) claim', advice: 'compare the clocks' },
];

const DENIED = 'permission denied';
/** The text of Go's multierror before the first error. */
const LIST_OF_ERRORS = /^\d+ errors? occurred:\s*\* /;

/** The known refusal that the text of an answer begins with. Holds nothing of the answer. */
export function loginRefusal(text: string, { known, denied }: LoginRefusals): LoginRefusal | undefined {
  const errors = errorsOf(text).map((error) => error.replace(LIST_OF_ERRORS, ''));
  if (denied !== undefined && errors.includes(DENIED)) return { text: DENIED, advice: denied };
  return known.find((refusal) => errors.some((error) => beginsWith(error, refusal.text)));
}

/** For the end of a message: `: invalid audience (aud) claim; …`. */
export function refusalText({ text, shown = text, advice }: LoginRefusal): string {
  return advice === undefined ? `: ${shown}` : `: ${shown}; ${advice}`;
}

/** The whole text, or its start before a colon, a semicolon, an equals sign or a blank. */
function beginsWith(error: string, text: string): boolean {
  return error === text || (error.startsWith(text) && /^[:;= ]/.test(error.slice(text.length)));
}
