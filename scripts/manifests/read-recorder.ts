/**
 * Watches which fields of a value somebody reads. A validator that is generated from a schema reads exactly
 * the fields that the schema knows, so that those it has never read are unknown to the schema.
 */
export class ReadRecorder {
  private readonly read = new Set<string>();

  /** A view of the value that notes what is read through it. */
  watch(value: unknown): unknown {
    return this.view(value, '');
  }

  /**
   * Fields that were never read, as `spec.template.spec.sepc`, without what is below them. Nothing at or below
   * an `opaque` path is looked at.
   */
  unread(value: unknown, opaque: (path: string) => boolean): string[] {
    return this.walk(value, '', opaque);
  }

  private view(value: unknown, path: string): unknown {
    if (typeof value !== 'object' || value === null) return value;
    return new Proxy(value, {
      get: (target, property): unknown => {
        const inner: unknown = Reflect.get(target, property);
        if (typeof property !== 'string' || !Object.hasOwn(target, property)) return inner;
        const below = pathTo(path, property, Array.isArray(target));
        this.read.add(below);
        return this.view(inner, below);
      },
    });
  }

  private walk(value: unknown, path: string, opaque: (path: string) => boolean): string[] {
    if (typeof value !== 'object' || value === null || opaque(path)) return [];
    return Object.entries(value).flatMap(([key, inner]) => {
      const below = pathTo(path, key, Array.isArray(value));
      return this.read.has(below) || opaque(below) ? this.walk(inner, below, opaque) : [below];
    });
  }
}

function pathTo(path: string, key: string, isItem: boolean): string {
  if (isItem) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}
