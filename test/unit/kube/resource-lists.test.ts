import { describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../../src/api/group.js';
import type { KubeRequestOptions } from '../../../src/kube/kube-client.js';
import { KubeError } from '../../../src/kube/kube-error.js';
import { ResourceLists } from '../../../src/kube/resource-lists.js';

const member = (name: string): object => ({ metadata: { name, namespace: 'team' }, spec: {} });

function listing(...answers: readonly (object | Error)[]): { lists: ResourceLists; asked: string[] } {
  const asked: string[] = [];
  const left = [...answers];
  const request = (verb: string, path: string, { query }: KubeRequestOptions = {}): Promise<unknown> => {
    asked.push(`${verb} ${path}?${new URLSearchParams(query).toString()}`);
    const answer = left.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  return { lists: new ResourceLists({ request }), asked };
}

const PATH = 'GET /apis/k8s.patoarvizu.dev/v1alpha1/kmsvaultsecrets';

describe('the list of a kind', () => {
  it('goes on until the last page, and gives its members their kind', async () => {
    const { lists, asked } = listing(
      { metadata: { continue: 'more' }, items: [member('a')] },
      { metadata: {}, items: [member('b')] },
    );
    const found = await lists.list(SECRET_KIND);
    expect(found.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      [SECRET_KIND, 'a'],
      [SECRET_KIND, 'b'],
    ]);
    expect(asked).toEqual([`${PATH}?limit=500`, `${PATH}?limit=500&continue=more`]);
  });

  it('begins again in one piece when a page has expired', async () => {
    const { lists, asked } = listing(
      { metadata: { continue: 'old' }, items: [member('a')] },
      new KubeError('expired', 410),
      { metadata: {}, items: [member('a'), member('b')] },
    );
    expect(await lists.list(SECRET_KIND, 'team')).toHaveLength(2);
    expect(asked.at(-1)).toBe(`${PATH.replace('kmsvault', 'namespaces/team/kmsvault')}?`);
  });

  it('fails with what is not a list, and with any other error', async () => {
    await expect(listing({ items: 'none' }).lists.list(SECRET_KIND)).rejects.toThrow(
      'the response is not a list',
    );
    await expect(listing(new KubeError('denied', 403)).lists.list(SECRET_KIND)).rejects.toThrow('denied');
  });
});
