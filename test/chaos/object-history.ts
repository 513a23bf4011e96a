import type { KubeObject } from '../servers/kubernetes/objects.js';
import { isGoing, specOf } from './desired.js';

/** One state of an object, from a moment until the next; undefined: it was not there. */
export interface ObjectVersion {
  readonly fromMs: number;
  readonly object: KubeObject | undefined;
}

/** An object of the API through time. */
class Timeline {
  readonly versions: ObjectVersion[] = [];

  at(ms: number): KubeObject | undefined {
    return this.versions.findLast(({ fromMs }) => fromMs <= ms)?.object;
  }

  /** Every state that held at some moment of the span. */
  within(fromMs: number, toMs: number): ObjectVersion[] {
    return this.versions.filter((version, index) => {
      const next = this.versions[index + 1]?.fromMs ?? Infinity;
      return version.fromMs <= toMs && next > fromMs;
    });
  }
}

/** Every version of every object of a kind, by `namespace/name`, and who named which path when. */
export class ObjectHistory {
  private readonly timelines = new Map<string, Timeline>();
  /** Normalised path to the objects that ever named it. */
  private readonly namers = new Map<string, Set<string>>();

  /** @param object undefined: it is gone. */
  record(key: string, object: KubeObject | undefined, atMs: number): void {
    const timeline = this.timelines.get(key) ?? new Timeline();
    this.timelines.set(key, timeline);
    timeline.versions.push({ fromMs: atMs, object });
    const path = object === undefined ? undefined : pathOf(object);
    if (path === undefined) return;
    const namers = this.namers.get(path) ?? new Set();
    namers.add(key);
    this.namers.set(path, namers);
  }

  at(key: string, ms: number): KubeObject | undefined {
    return this.timelines.get(key)?.at(ms);
  }

  /** The states of an object in a span; before it was first seen it was not there. */
  within(key: string, fromMs: number, toMs: number): (KubeObject | undefined)[] {
    const timeline = this.timelines.get(key);
    const first = timeline?.versions[0]?.fromMs ?? Infinity;
    const versions = timeline?.within(fromMs, toMs) ?? [];
    return [
      ...new Set([...versions.map(({ object }) => object), ...(first > fromMs ? [undefined] : [])]),
    ].reverse();
  }

  /** What is there at a moment. */
  live(ms: number): KubeObject[] {
    return [...this.timelines.values()].flatMap((timeline) => timeline.at(ms) ?? []);
  }

  /** Every state of every object that held at some moment of a span. */
  everWithin(fromMs: number, toMs: number): KubeObject[] {
    return [...this.timelines.values()].flatMap((timeline) =>
      timeline.within(fromMs, toMs).flatMap(({ object }) => object ?? []),
    );
  }

  /** The last state that each object with this uid had, gone ones too. */
  lastSeen(uid: string): KubeObject | undefined {
    for (const { versions } of this.timelines.values()) {
      const found = versions.findLast(({ object }) => object?.metadata.uid === uid)?.object;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Who ever named the path. */
  namersOf(path: string): string[] {
    return [...(this.namers.get(path) ?? [])];
  }

  /** The rightful owner of a path at a moment: the oldest that names it and is not being deleted. */
  ownerAt(path: string, ms: number): KubeObject | undefined {
    const rivals = [...(this.namers.get(path) ?? [])]
      .flatMap((key) => this.at(key, ms) ?? [])
      .filter((object) => !isGoing(object) && pathOf(object) === path);
    return rivals.sort(byAge)[0];
  }

  /** Every state of every rightful owner in a span, the latest first; undefined where there was none. */
  ownersWithin(path: string, fromMs: number, toMs: number): (KubeObject | undefined)[] {
    const moments = new Set([fromMs, toMs]);
    for (const key of this.namers.get(path) ?? [])
      for (const version of this.timelines.get(key)?.within(fromMs, toMs) ?? [])
        if (version.fromMs >= fromMs) moments.add(version.fromMs);
    const owners = [...moments].sort((a, b) => b - a).map((ms) => this.ownerAt(path, ms));
    return [...new Set(owners)];
  }
}

/** The path that an object names, normalised; undefined when there is none that could be written. */
export function pathOf(object: KubeObject): string | undefined {
  const { path } = specOf(object);
  if (typeof path !== 'string' || /[%?#\\]|^[a-z]+:\/\//.test(path)) return undefined;
  const segments = path.split('/').filter((segment) => segment !== '');
  const reserved = ['sys', 'auth', 'identity', 'cubbyhole'].includes(segments[0] ?? '');
  const climbs = segments.some((segment) => segment === '.' || segment === '..');
  return segments.length < 2 || reserved || climbs ? undefined : segments.join('/');
}

function byAge(a: KubeObject, b: KubeObject): number {
  const ageOf = ({ metadata }: KubeObject): string =>
    `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`;
  return ageOf(a) < ageOf(b) ? -1 : 1;
}
