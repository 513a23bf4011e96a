import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';

export type Context = Readonly<Record<string, string>>;

/** What a ciphertext of this run decrypts to, and under which context. */
export interface SealedValue {
  /** Undefined: it decrypts to bytes that are no UTF-8. */
  readonly plaintext: string | undefined;
  readonly context: Context;
  /** Under the key that faults disable. */
  readonly fragile: boolean;
}

/** The KMS key that faults disable and deny. */
export interface FragileKey {
  readonly id: string;
  readonly material: Buffer;
}

/** Begins every value of a run: a text with it outside Vault is a leak. */
export const CANARY = 'kanarie-';

/** Makes the ciphertexts of a run and remembers what is in them, so that nobody needs to ask KMS. */
export class SealedValues {
  private readonly known = new Map<string, SealedValue>();

  constructor(private readonly fragileKey: FragileKey) {}

  seal(plaintext: string, context: Context, fragile = false): string {
    return this.keep(Buffer.from(plaintext), { plaintext, context, fragile });
  }

  /** Decrypts, to bytes that are no text. */
  sealBytes(context: Context): string {
    return this.keep(Buffer.from([0xff, 0xfe, 0x80, 0x81]), {
      plaintext: undefined,
      context,
      fragile: false,
    });
  }

  /** Undefined: not of this run, so it decrypts to nothing. */
  get(ciphertext: string): SealedValue | undefined {
    return this.known.get(ciphertext);
  }

  private keep(plaintext: Buffer, value: SealedValue): string {
    const [id, material] = value.fragile
      ? [this.fragileKey.id, this.fragileKey.material]
      : [DEMO_KEY_ID, DEMO_KEY_MATERIAL];
    const ciphertext = seal(id, material, plaintext, value.context).toString('base64');
    this.known.set(ciphertext, value);
    return ciphertext;
  }
}
