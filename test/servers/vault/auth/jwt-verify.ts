import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** go-jose's `DefaultLeeway`. */
const LEEWAY_SECONDS = 60;
/** hashicorp/cap's `DefaultLeewaySeconds`, for claims that are absent. */
const ABSENT_LEEWAY_SECONDS = 150;

export interface Claims {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: string | readonly string[];
  readonly exp?: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly [name: string]: unknown;
}

export interface Expected {
  readonly keys: readonly string[];
  readonly algorithms: readonly string[];
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  readonly now: Date;
}

/** The errors of hashicorp/cap for invalid tokens (`jwt/jwt.go`). */
export class InvalidJwt extends Error {}

/**
 * The claims of a token whose signature and registered claims are right.
 *
 * @throws InvalidJwt with the text of hashicorp/cap.
 */
export function verifyJwt(token: string, expected: Expected): Claims {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  const header = partOf(head) as { alg?: string };
  const claims = partOf(body) as Claims;
  if (more.length > 0 || signature === '')
    throw new InvalidJwt('go-jose/go-jose: compact JWS format must have three parts');
  const algorithm = header.alg ?? '';
  const signed = Buffer.from(`${head}.${body}`);
  const proof = Buffer.from(signature, 'base64url');
  const isRight = expected.keys.some((key) => isSignedBy(createPublicKey(key), algorithm, signed, proof));
  if (!isRight) {
    throw new InvalidJwt(
      'error verifying token signature: no known key successfully validated the token signature',
    );
  }
  if (!expected.algorithms.includes(algorithm)) {
    throw new InvalidJwt('invalid algorithm (alg) header parameter: token signed with unexpected algorithm');
  }
  checkClaims(claims, expected);
  return claims;
}

function checkClaims(claims: Claims, expected: Expected): void {
  const { issuer, subject, audiences } = expected;
  if (issuer !== '' && issuer !== claims.iss) throw new InvalidJwt('invalid issuer (iss) claim');
  if (subject !== '' && subject !== claims.sub) throw new InvalidJwt('invalid subject (sub) claim');
  const own = [claims.aud ?? []].flat();
  if (audiences.length > 0 && !audiences.some((audience) => own.includes(audience))) {
    throw new InvalidJwt('invalid audience (aud) claim: audience claim does not match any expected audience');
  }
  const { iat = 0, exp: expiry = 0, nbf: notBefore = 0 } = claims;
  if (iat === 0 && expiry === 0 && notBefore === 0) {
    throw new InvalidJwt('no issued at (iat), not before (nbf), or expiration time (exp) claims in token');
  }
  const exp = expiry === 0 ? Math.max(iat, notBefore) + ABSENT_LEEWAY_SECONDS : expiry;
  const nbf = notBefore !== 0 ? notBefore : iat !== 0 ? iat : exp - ABSENT_LEEWAY_SECONDS;
  const now = expected.now.getTime() / 1_000;
  if (now + LEEWAY_SECONDS < nbf) {
    throw new InvalidJwt('invalid not before (nbf) claim: token not yet valid');
  }
  if (now - LEEWAY_SECONDS > exp) {
    throw new InvalidJwt('invalid expiration time (exp) claim: token is expired');
  }
  if (now + LEEWAY_SECONDS < iat) {
    throw new InvalidJwt('invalid issued at (iat) claim: token issued in the future');
  }
}

/** RFC 7518 and RFC 8037. */
function isSignedBy(key: KeyObject, algorithm: string, signed: Buffer, proof: Buffer): boolean {
  const [, family, bits] = /^(RS|PS|ES)(256|384|512)$/.exec(algorithm) ?? [];
  if (algorithm === 'EdDSA') {
    return key.asymmetricKeyType === 'ed25519' && verify(null, signed, key, proof);
  }
  if (family === undefined || key.asymmetricKeyType !== (family === 'ES' ? 'ec' : 'rsa')) return false;
  const options =
    family === 'ES'
      ? { key, dsaEncoding: 'ieee-p1363' as const }
      : family === 'PS'
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : { key };
  return verify(`sha${String(bits)}`, signed, options, proof);
}

function partOf(text: string): object {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString()) as object;
  } catch {
    throw new InvalidJwt('go-jose/go-jose: compact JWS format must have three parts');
  }
}
