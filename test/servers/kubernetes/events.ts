import type { KubeObject } from './objects.js';

/** How each field of a core/v1 event is called in events.k8s.io/v1; the others have the same name. */
const NEW_NAMES: readonly (readonly [core: string, renamed: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

/** What events.k8s.io/v1 shows of a stored event; both groups are views of the same objects. */
export function coreEventToNew(event: KubeObject): KubeObject {
  const renamed: KubeObject = { ...event, apiVersion: 'events.k8s.io/v1' };
  for (const [from, to] of NEW_NAMES) move(renamed, from, to);
  return renamed;
}

/** The stored form, core/v1, of what a client of events.k8s.io/v1 sends. */
export function newEventToCore(event: KubeObject): KubeObject {
  const renamed: KubeObject = { ...event, apiVersion: 'v1' };
  for (const [to, from] of NEW_NAMES) move(renamed, from, to);
  return renamed;
}

function move(object: KubeObject, from: string, to: string): void {
  const value = object[from];
  if (value === undefined) return;
  // Both names are fields of different types: whoever sends the other one is ignored, as it is unknown.
  object[to] = value;
  Reflect.deleteProperty(object, from);
}
