import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A fenced block: its language, the mark after it, and its text without the indent. */
export interface Block {
  readonly line: number;
  readonly language: string;
  readonly mark: string;
  readonly text: string;
}

/** A Markdown document, as far as it makes promises that can be checked. */
export interface Document {
  readonly file: string;
  readonly blocks: readonly Block[];
  /** Anchors of its headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  /** Targets of its links. */
  readonly links: readonly string[];
  /** The inline code outside of blocks. */
  readonly code: readonly string[];
  /** Everything but blocks. */
  readonly prose: string;
}

/** Every Markdown document of the repository. */
export function documentFiles(folder = '.'): string[] {
  const skipped = new Set(['node_modules', 'dist', '.git', '.cache', '.demo', 'coverage']);
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : documentFiles(path);
      return entry.name.endsWith('.md') ? [path] : [];
    })
    .sort();
}

export function readDocument(file: string): Document {
  return parseDocument(file, readFileSync(file, 'utf8'));
}

export function parseDocument(file: string, text: string): Document {
  const blocks: Block[] = [];
  const kept: string[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const open = /^( *)```(\S*) ?(.*)$/.exec(lines[index] ?? '');
    if (open === null) {
      kept.push(lines[index] ?? '');
      continue;
    }
    const [, indent = '', language = '', mark = ''] = open;
    const line = index + 1;
    const body: string[] = [];
    for (index += 1; index < lines.length && lines[index] !== `${indent}\`\`\``; index += 1)
      body.push((lines[index] ?? '').slice(indent.length));
    if (index === lines.length) throw new Error(`${file}:${String(line)}: the block has no end`);
    blocks.push({ line, language, mark, text: `${body.join('\n')}\n` });
  }
  const prose = kept.join('\n');
  return {
    file,
    blocks,
    anchors: new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''))),
    links: [...prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? ''),
    code: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? ''),
    prose,
  };
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

/** Links inside the repository that lead nowhere. */
export function brokenLinks(
  document: Document,
  documents: ReadonlyMap<string, Document>,
  exists: (path: string) => boolean,
): string[] {
  return document.links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? document.file : normalize(join(dirname(document.file), path));
    if (!exists(target)) return true;
    return anchor !== undefined && documents.get(target)?.anchors.has(anchor) !== true;
  });
}
