import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Issues tokens that anybody with its public key can verify, as the issuer of service-account tokens does. */
export class JwtIssuer {
  private readonly key: KeyObject;
  /** PEM. */
  readonly publicKey: string;

  constructor(readonly issuer = 'https://issuer.example.com') {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = privateKey;
    this.publicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }

  /** A token that is valid for ten minutes, unless the claims say something else. */
  issue(claims: Readonly<Record<string, unknown>>): string {
    const now = Math.floor(Date.now() / 1_000);
    const all = { iss: this.issuer, iat: now, exp: now + 600, ...claims };
    const text = [{ alg: 'ES256', typ: 'JWT' }, all].map(part).join('.');
    const proof = sign('sha256', Buffer.from(text), { key: this.key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${proof.toString('base64url')}`;
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
