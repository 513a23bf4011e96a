import type { X509Certificate } from 'node:crypto';

import { admitsPeer } from '../cidr.js';
import { boolField, has, listField, textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';
import { NamedEntries } from './named-entries.js';
import { certificatesIn, chainTo, isForClients } from './cert-chain.js';

/** Constraints on fields of a certificate that Node does not expose. */
const NOT_OFFERED = [
  'allowed_email_sans',
  'allowed_uri_sans',
  'allowed_organizational_units',
  'required_extensions',
  'ocsp_enabled',
];

interface Role {
  readonly name: string;
  readonly pem: string;
  readonly certificates: readonly X509Certificate[];
  readonly names: readonly string[];
  readonly commonNames: readonly string[];
  readonly dnsNames: readonly string[];
  readonly displayName: string;
  readonly parameters: TokenParameters;
}

/** Client certificates, by the rules of Vault's `builtin/credential/cert`. */
export class CertAuth extends AuthMount {
  readonly type = 'cert';
  private disableBinding = false;
  private readonly roles = new NamedEntries<Role>({
    folder: 'certs',
    parse: (call, before, name) => roleOf(call, name, before),
  });

  constructor(private readonly context: AuthContext) {
    super();
  }

  wipe(): void {
    this.roles.clear();
  }

  handle(call: VaultCall): VaultAnswer {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return this.login(textField(call, 'name').toLowerCase(), call.clientCertificates ?? []);
    }
    if (call.path === 'config') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      this.disableBinding = boolField(call, 'disable_binding') ?? false;
      return NO_CONTENT;
    }
    return this.roles.handle(call);
  }

  private login(name: string, shown: readonly X509Certificate[]): VaultAnswer {
    const role = this.matching(name, shown);
    if (!admitsPeer(role.parameters.boundCidrs)) throw new VaultFault(403, ['permission denied']);
    const [certificate] = shown;
    const commonName = commonNameOf(certificate);
    return loginAnswer(this.context, {
      parameters: role.parameters,
      alias: commonName,
      displayName: role.displayName,
      path: 'login',
      metadata: {
        cert_name: role.name,
        common_name: commonName,
        serial_number: BigInt(`0x${certificate?.serialNumber ?? '0'}`).toString(),
      },
      mayRenew: (now = []) => {
        if (this.disableBinding) return;
        this.matching(role.name, now);
        if (certificate === undefined || now[0]?.raw.equals(certificate.raw) !== true) {
          throw new BackendError(
            500,
            'client identity during renewal not matching client identity used during login',
          );
        }
      },
    });
  }

  /** As `verifyCredentials`. */
  private matching(name: string, shown: readonly X509Certificate[]): Role {
    const [leaf] = shown;
    if (leaf === undefined) throw badRequest('client certificate must be supplied');
    const roles = this.roles.values().filter((role) => name === '' || role.name === name);
    const isAuthority = (role: Role): boolean => role.certificates[0]?.ca === true;
    const authorities = roles.filter(isAuthority);
    const roots = authorities.flatMap(({ certificates }) => certificates);
    const chain = chainTo(roots, shown, new Date());
    const pinned = roles.find(
      (role) =>
        !isAuthority(role) && role.certificates[0]?.raw.equals(leaf.raw) === true && allows(role, leaf),
    );
    if (pinned !== undefined) return pinned;
    if (chain === undefined) throw badRequest('invalid certificate or no client certificate supplied');
    const found = authorities.find(
      (role) =>
        role.certificates.some((one) => chain.some((link) => link.raw.equals(one.raw))) && allows(role, leaf),
    );
    if (found !== undefined) return found;
    throw badRequest('no chain matching all constraints could be found for this login certificate');
  }
}

function allows(role: Role, certificate: X509Certificate): boolean {
  const commonName = commonNameOf(certificate);
  const dnsNames = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4)] : []));
  const matches = (patterns: readonly string[], names: readonly string[]): boolean =>
    patterns.length === 0 || patterns.some((pattern) => names.some((name) => glob(pattern, name)));
  return (
    matches(role.names, [commonName, ...dnsNames]) &&
    matches(role.commonNames, [commonName]) &&
    matches(role.dnsNames, dnsNames)
  );
}

/** As ryanuber/go-glob: `*` is any text. */
function glob(pattern: string, text: string): boolean {
  const source = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`, 's').test(text);
}

function commonNameOf(certificate: X509Certificate | undefined): string {
  return /^CN=(.*)$/m.exec(certificate?.subject ?? '')?.[1] ?? '';
}

function roleOf(call: VaultCall, name: string, before: Role | undefined): Role {
  for (const constraint of NOT_OFFERED) {
    if (!['', '0'].includes(listField(call, constraint).join() || textField(call, constraint))) {
      throw badRequest(`${constraint} is not offered here`);
    }
  }
  const list = (field: string, old: readonly string[] | undefined): readonly string[] =>
    has(call, field) ? listField(call, field) : (old ?? []);
  const pem = has(call, 'certificate') ? textField(call, 'certificate') : (before?.pem ?? '');
  const parameters = tokenParameters(call, before?.parameters);
  const certificates = certificatesIn(pem);
  const [first] = certificates;
  if (first === undefined) throw badRequest('failed to parse certificate');
  if (!first.ca && !isForClients(first)) {
    throw badRequest('nonCA certificates should have TLS client authentication set as an extended key usage');
  }
  const displayName = has(call, 'display_name') ? textField(call, 'display_name') : before?.displayName;
  return {
    name,
    pem,
    certificates,
    names: list('allowed_names', before?.names),
    commonNames: list('allowed_common_names', before?.commonNames),
    dnsNames: list('allowed_dns_sans', before?.dnsNames),
    displayName: displayName === undefined || displayName === '' ? name : displayName,
    parameters,
  };
}
