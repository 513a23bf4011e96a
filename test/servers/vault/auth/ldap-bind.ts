import { connect } from 'node:net';

import { ber, berItems, LDAP, LDAP_RESULT, readBer } from './ldap-message.js';

const TIMEOUT_MS = 30_000;

/**
 * Binds to a directory with a name and a password, as Vault proves who somebody is.
 *
 * @returns whether the directory accepts them.
 * @throws Error when there is no answer.
 */
export async function ldapBind(url: string, name: string, password: string): Promise<boolean> {
  const { hostname, port } = new URL(url.replace(/^ldap:/, 'http:'));
  const socket = connect({ host: hostname, port: Number(port === '' ? 389 : port) });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('i/o timeout')));
  try {
    const request = [
      ber(LDAP.integer, Buffer.from([3])),
      ber(LDAP.octets, name),
      ber(LDAP.simplePassword, password),
    ];
    socket.write(message(1, ber(LDAP.bindRequest, Buffer.concat(request))));
    let received = Buffer.alloc(0);
    for await (const bytes of socket) {
      received = Buffer.concat([received, bytes as Buffer]);
      const answer = readBer(received);
      if (answer === undefined) continue;
      const [, response] = berItems(answer.content);
      const [result] = berItems(response?.content ?? Buffer.alloc(0));
      socket.end(message(2, ber(LDAP.unbindRequest, '')));
      return response?.tag === LDAP.bindResponse && result?.content[0] === LDAP_RESULT.success;
    }
    throw new Error('unable to read LDAP response packet: unexpected EOF');
  } finally {
    socket.destroy();
  }
}

function message(id: number, operation: Buffer): Buffer {
  return ber(LDAP.sequence, Buffer.concat([ber(LDAP.integer, Buffer.from([id])), operation]));
}
