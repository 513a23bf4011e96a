import { describe } from '@jest/globals';

import { operatorSuite } from './operator-suite.js';

describe('the operator under the shipped ClusterRole', () => {
  operatorSuite('cluster');
});
