import { describe } from '@jest/globals';

import { operatorSuite } from './operator-suite.js';

describe('the operator with --watch-namespace under the shipped Role', () => {
  operatorSuite('namespaced');
});
