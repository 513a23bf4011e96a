/** The Go operator's name. */
const COMPONENT = 'kms-vault-controller';

/** The object that an event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
}

export interface EventFacts {
  /** Metadata of the event itself. */
  readonly name: string;
  readonly subject: EventSubject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly first: Date;
  readonly last: Date;
  /** The pod's name. */
  readonly instance: string;
}

/** A core/v1 `Event` as client-go's recorder writes it. */
export function eventBody(facts: EventFacts): Record<string, unknown> {
  const { apiVersion, kind, metadata } = facts.subject;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: facts.name, namespace: metadata.namespace },
    involvedObject: {
      apiVersion,
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
    type: facts.type,
    reason: facts.reason,
    message: facts.message,
    count: facts.count,
    firstTimestamp: eventTime(facts.first),
    lastTimestamp: eventTime(facts.last),
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: facts.instance,
  };
}

/** `metav1.Time`: RFC 3339, whole seconds. */
export function eventTime(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
