import {
  type Document,
  type ErrorCode,
  type LineCounter as Lines,
  LineCounter,
  type ParsedNode,
  parseAllDocuments,
  type ScalarTag,
} from 'yaml';

/** A place in a file, counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlProblem {
  readonly message: string;
  readonly at: Position;
}

export type YamlDocument = Document.Parsed<ParsedNode>;

/** The documents of a file, with the ranges of their nodes in the text. */
export interface YamlSource {
  readonly text: string;
  readonly documents: readonly YamlDocument[];
  /** What each document holds as plain JSON, aliases and merge keys resolved; shares no object with another place. */
  readonly objects: readonly unknown[];
  readonly problems: readonly YamlProblem[];
  positionAt(offset: number): Position;
}

/** Far more than anybody writes by hand; guards against a few lines that expand to gigabytes. */
const MAX_ALIASES = 100_000;

/** What YAML 1.1 has and `sigs.k8s.io/yaml`, which kubectl reads manifests with, has not: they stay strings there. */
const NOT_IN_KUBECTL = /^tag:yaml\.org,2002:(?:timestamp|omap|set|pairs)$/;

/** A float with an exponent, which has a digit before it: `e5` is a text. */
const FLOAT_WITH_EXPONENT: ScalarTag = {
  identify: (value) => typeof value === 'number',
  default: true,
  tag: 'tag:yaml.org,2002:float',
  format: 'EXP',
  test: /^[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)[eE][-+]?[0-9]+$/,
  resolve: (text) => Number.parseFloat(text.replaceAll('_', '')),
};

/** The library's floats with an exponent, and `12:30` as a number of minutes. */
function isOtherNumber(tag: object): boolean {
  return 'format' in tag && (tag.format === 'TIME' || tag.format === 'EXP');
}

/**
 * Reads YAML as kubectl does: version 1.1 with merge keys, so that `yes` is a boolean. Never throws; messages quote
 * nothing of the text.
 */
export function parseYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, {
    version: '1.1',
    customTags: (tags) => [
      ...tags.filter(
        (tag) => typeof tag === 'string' || !(NOT_IN_KUBECTL.test(tag.tag) || isOtherNumber(tag)),
      ),
      FLOAT_WITH_EXPONENT,
    ],
    keepSourceTokens: true,
    lineCounter: lines,
    logLevel: 'silent',
    // A pretty error quotes the line.
    prettyErrors: false,
  });
  const documents = Array.isArray(parsed) ? (parsed as YamlDocument[]) : [];
  const problems: YamlProblem[] = [];
  const objects = documents.map((document) => {
    for (const error of document.errors)
      problems.push({ message: yamlMessage(error), at: at(lines, error.pos[0]) });
    return objectOf(document, lines, problems);
  });
  return { text, documents, objects, problems, positionAt: (offset) => at(lines, offset) };
}

function objectOf(document: YamlDocument, lines: Lines, problems: YamlProblem[]): unknown {
  if (document.errors.length > 0) return undefined;
  try {
    const object: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return object === undefined ? undefined : (JSON.parse(JSON.stringify(object)) as unknown);
  } catch {
    problems.push({
      message: 'an alias cannot be resolved, or aliases expand without limit',
      at: at(lines, document.range[0]),
    });
    return undefined;
  }
}

function at(lines: Lines, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

const MESSAGES: Partial<Readonly<Record<ErrorCode, string>>> = {
  ALIAS_PROPS: 'an alias cannot have an anchor or a tag',
  BAD_ALIAS: 'an alias refers to an anchor that is not defined before it',
  BAD_COLLECTION_TYPE: 'the tag does not fit the collection',
  BAD_DIRECTIVE: 'the directive is not valid',
  BAD_DQ_ESCAPE: 'the escape sequence in the double-quoted text is not valid',
  BAD_INDENT: 'the indentation does not fit what is around it',
  BAD_PROP_ORDER: 'anchors and tags come after the indicator',
  BAD_SCALAR_START: 'a plain text cannot begin with this character: quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping or list inside of a mapping must start on its own line',
  BLOCK_IN_FLOW: 'a block cannot be inside of brackets or braces',
  DUPLICATE_KEY: 'the mapping has the same key twice',
  KEY_OVER_1024_CHARS: 'a key that is not marked with ? has 1,024 characters at most',
  MISSING_CHAR: 'a character is missing, such as a closing quote, a closing bracket or a colon',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line',
  TAB_AS_INDENT: 'a tab cannot be used for indentation: use blanks',
  TAG_RESOLVE_FAILED: 'the tag is not known',
  UNEXPECTED_TOKEN: 'something here is not expected',
};

/** What is wrong, in words that quote nothing of the text. */
export function yamlMessage({ code }: { readonly code: ErrorCode }): string {
  return `not valid YAML: ${MESSAGES[code] ?? 'it cannot be parsed here'}`;
}
