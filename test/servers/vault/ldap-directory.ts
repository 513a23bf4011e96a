import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { ber, berItems, LDAP, LDAP_RESULT, readBer } from './auth/ldap-message.js';

/** An LDAP directory on loopback that serves simple binds, and closes the connection on other requests. */
export class LdapDirectory {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    /** Passwords by distinguished name; a test may change them. */
    readonly passwords: Map<string, string>,
  ) {}

  static async start(passwords: Map<string, string>): Promise<LdapDirectory> {
    const server = createServer();
    const directory = new LdapDirectory(server, passwords);
    server.on('connection', (socket) => {
      directory.serve(socket);
    });
    await directory.listen(0);
    return directory;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ldap://127.0.0.1:${String(this.port)}`;
  }

  async listen(port: number): Promise<void> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** Stops listening and closes every connection; {@link listen} with the same port starts it again. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      for (let message = readBer(received); message !== undefined; message = readBer(received)) {
        received = received.subarray(message.end);
        const [id, operation] = berItems(message.content);
        if (id === undefined || operation?.tag !== LDAP.bindRequest) {
          socket.end();
          return;
        }
        socket.write(bindResponse(id.content, this.bind(operation.content)));
      }
    });
  }

  private bind(request: Buffer): number {
    const [version, name, password] = berItems(request);
    if (version?.content[0] !== 3 || password?.tag !== LDAP.simplePassword) return LDAP_RESULT.protocolError;
    // Binding without a password proves nothing (RFC 4513, 5.1.2).
    if (password.content.length === 0) return LDAP_RESULT.unwilling;
    const expected = this.passwords.get(name?.content.toString() ?? '');
    return expected === password.content.toString() ? LDAP_RESULT.success : LDAP_RESULT.invalidCredentials;
  }
}

function bindResponse(id: Buffer, result: number): Buffer {
  const answer = [ber(LDAP.enumerated, Buffer.from([result])), ber(LDAP.octets, ''), ber(LDAP.octets, '')];
  return ber(
    LDAP.sequence,
    Buffer.concat([ber(LDAP.integer, id), ber(LDAP.bindResponse, Buffer.concat(answer))]),
  );
}
