import type { ChildProgram } from '../support/child-program.js';
import type { E2eServers } from './servers.js';

export const FINALIZER = 'delete.k8s.patoarvizu.dev';
export const v1 = { engineVersion: 'v1' };
export const v2 = { engineVersion: 'v2' };

/** What all parts of the suite share; there while tests run. */
export interface SuiteRun {
  servers: E2eServers;
  operator: ChildProgram;
}
