export interface KubeconfigOptions {
  /** With the path prefix, if there is one. */
  readonly server: string;
  /** PEM. */
  readonly caCert: string;
  readonly namespace?: string;
  readonly user: { readonly token: string } | { readonly cert: string; readonly key: string };
}

/** A kubeconfig with one context, as JSON, which is YAML. */
export function kubeconfig(options: KubeconfigOptions): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const { user } = options;
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'loopback',
    clusters: [
      {
        name: 'loopback',
        cluster: { server: options.server, 'certificate-authority-data': base64(options.caCert) },
      },
    ],
    users: [
      {
        name: 'loopback',
        user:
          'token' in user
            ? { token: user.token }
            : { 'client-certificate-data': base64(user.cert), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [
      {
        name: 'loopback',
        context: { cluster: 'loopback', user: 'loopback', namespace: options.namespace ?? 'default' },
      },
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
