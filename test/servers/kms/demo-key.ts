/**
 * The key of the demo, published on purpose: the ciphertexts in `manifests/samples` are real under it.
 * It protects nothing.
 */
export const DEMO_KEY_ID = '11111111-2222-3333-4444-555555555555';
export const DEMO_KEY_MATERIAL = Buffer.from('published demo key, not a secret');

/** The default credentials of clients of the loopback KMS. */
export const DEMO_ACCESS_KEY = {
  accessKeyId: 'AKIADEMODEMODEMODEMO',
  secretAccessKey: 'demo-secret-access-key',
};
export const DEMO_REGION = 'us-east-1';
