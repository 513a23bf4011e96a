import { errorsOf } from './vault-answers.js';

/**
 * How the texts begin with which Vault and OpenBao refuse a login, from the source of their auth methods. Only
 * these beginnings are passed on, never what follows: it may repeat what was sent (approle: `invalid secret_id
 * "…"`; aws: the answer of STS).
 */
const REFUSALS: readonly { readonly text: string; readonly advice?: string }[] = [
  // kubernetes and jwt; the claims by hashicorp/cap, jwt/jwt.go.
  {
    text: 'invalid audience (aud) claim',
    advice: 'the token is for another audience than the role in Vault asks for',
  },
  { text: 'invalid issuer (iss) claim' },
  { text: 'invalid subject (sub) claim' },
  { text: 'invalid expiration time (exp) claim', advice: 'the token has expired' },
  { text: 'invalid not before (nbf) claim', advice: 'compare the clocks' },
  { text: 'invalid issued at (iat) claim', advice: 'compare the clocks' },
  { text: 'invalid role name', advice: 'Vault has no such role' },
  { text: 'namespace not authorized', advice: 'the role is bound to other namespaces' },
  { text: 'service account name not authorized', advice: 'the role is bound to other service accounts' },
  { text: 'audience claim found in JWT but no audiences bound to the role' },
  { text: 'error validating token' },
  { text: 'error validating claims' },
  { text: 'could not load configuration', advice: 'the auth method is not configured' },
  // approle
  { text: 'invalid role or secret ID' },
  { text: 'invalid secret_id' },
  { text: 'missing secret_id' },
  { text: 'source address', advice: 'the role or the secret id is bound to other addresses' },
  // aws
  { text: 'error validating X-Vault-AWS-IAM-Server-ID header', advice: 'check VAULT_IAM_SERVER_ID' },
  { text: 'error making upstream request', advice: 'Vault cannot ask STS, or STS refuses the request' },
  { text: 'entry for role', advice: 'Vault has no such role' },
  { text: 'IAM Principal', advice: 'the role is bound to other principals' },
];

const DENIED = 'permission denied';

/**
 * The reason that Vault gives for a refused login, if its text begins as one of the closed list: `: invalid
 * audience (aud) claim; …`, else nothing. Holds nothing of the answer.
 *
 * @param denied what a bare `permission denied` means with the method.
 */
export function loginRefusal(text: string, denied?: string): string {
  const errors = errorsOf(text);
  if (denied !== undefined && errors.includes(DENIED)) return `: ${DENIED}; ${denied}`;
  const known = REFUSALS.find((refusal) => errors.some((error) => beginsWith(error, refusal.text)));
  if (known === undefined) return '';
  return known.advice === undefined ? `: ${known.text}` : `: ${known.text}; ${known.advice}`;
}

/** As a whole, or before a colon or a blank. */
function beginsWith(error: string, text: string): boolean {
  return error === text || error.startsWith(`${text}:`) || error.startsWith(`${text} `);
}
