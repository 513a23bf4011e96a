import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Document, parseAllDocuments } from 'yaml';

import type { KubernetesObject } from '../manifests/kubernetes-object.js';
import { applyDifference, toJs } from './differences.js';
import { type Condition, fromDocument, fromJs, type Tree } from './tree.js';

/** An object of the chart: what is printed, where, and when. */
export interface ChartObject extends Condition {
  readonly kind: string;
  readonly name: string;
  /** Below `templates`. */
  readonly file: string;
  readonly comment: readonly string[];
  readonly tree: Tree;
  /** Actions around it, such as a `range` and its `end`. */
  around?: readonly [string, string];
}

interface Source {
  readonly file: string;
  readonly document: Document;
}

/** Every object in the files of `manifests` and of the components, with its comments. */
export class Sources {
  private readonly documents = new Map<string, Source>();

  constructor() {
    for (const folder of ['manifests', 'kustomize/components']) {
      for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
        if (!path.endsWith('.yaml') || path.endsWith('kustomization.yaml')) continue;
        this.read(join(folder, path), path.replace(/^rbac\/namespaced\//, 'namespaced/'));
      }
    }
  }

  private read(path: string, file: string): void {
    for (const document of parseAllDocuments(readFileSync(path, 'utf8'))) {
      const { kind, metadata } = (document.toJS() ?? {}) as Partial<KubernetesObject>;
      // A patch has the name of the object that it changes, which stands in `manifests`.
      if (kind !== undefined && metadata !== undefined && !this.documents.has(`${kind} ${metadata.name}`))
        this.documents.set(`${kind} ${metadata.name}`, { file, document });
    }
  }

  /** The object as kustomize renders it, with the comments of its file. */
  objectOf(rendered: KubernetesObject, condition: Condition): ChartObject {
    const { kind, metadata } = rendered;
    const source = this.documents.get(`${kind} ${metadata.name}`);
    const id = { kind, name: metadata.name };
    if (source === undefined) {
      const file = `${kind.toLowerCase()}/${metadata.name}.yaml`;
      return { ...id, ...condition, file, comment: [], tree: fromJs(rendered) };
    }
    const { tree, comment } = fromDocument(source.document);
    const plain = toJs(tree);
    applyDifference(tree, plain, rendered, 'true');
    return { ...id, ...condition, file: source.file, comment, tree };
  }
}
