import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** What an expression asks for, and what it answers with. */
export interface Query {
  readonly selectors: readonly Selector[];
  /** Labels that every series of the result has. */
  readonly labels: ReadonlySet<string>;
  /** Labels that some series of the result have: those of either side of an `or`. */
  readonly possibleLabels: ReadonlySet<string>;
}

/** Labels of a vector; undefined for a scalar. */
type Labels = { readonly all: ReadonlySet<string>; readonly some: ReadonlySet<string> } | undefined;

/** Grafana's variables, as Prometheus gets them. */
const VARIABLES: readonly (readonly [RegExp, string])[] = [
  [/\$__rate_interval|\$__interval/g, '5m'],
  [/\$__range/g, '1h'],
  [/\$[a-z]+/g, 'x'],
];

/**
 * Reads an expression with the grammar of Prometheus and works out the labels of its result.
 *
 * @param labelsOf the labels of a metric; undefined for one that nobody exports.
 * @throws Error when it is no PromQL, names an unknown metric or label, or compares sides that never match.
 */
export function readQuery(
  expression: string,
  labelsOf: (metric: string) => readonly string[] | undefined,
): Query {
  const text = VARIABLES.reduce((result, [from, to]) => result.replace(from, to), expression);
  const tree = parser.parse(text);
  tree.iterate({
    enter: ({ type, from }) => {
      if (type.isError) throw new Error(`no PromQL at ${String(from)}: ${text}`);
    },
  });
  const reading = new Reading(text, labelsOf);
  const labels = reading.labels(tree.topNode.firstChild);
  return {
    selectors: reading.selectors,
    labels: labels?.all ?? new Set(),
    possibleLabels: labels?.some ?? new Set(),
  };
}

class Reading {
  readonly selectors: Selector[] = [];

  constructor(
    private readonly text: string,
    private readonly labelsOf: (metric: string) => readonly string[] | undefined,
  ) {}

  labels(node: SyntaxNode | null): Labels {
    if (node === null) throw new Error(`incomplete: ${this.text}`);
    switch (node.name) {
      case 'NumberDurationLiteral':
      case 'StringLiteral':
        return undefined;
      case 'VectorSelector':
        return exactly(this.select(node));
      case 'ParenExpr':
      case 'MatrixSelector':
      case 'SubqueryExpr':
      case 'OffsetExpr':
        return this.labels(node.firstChild);
      case 'AggregateExpr':
        return this.aggregate(node);
      case 'FunctionCall':
        return this.call(node);
      case 'BinaryExpr':
        return this.combine(node);
      default:
        throw new Error(`${node.name} is not understood here: ${this.text}`);
    }
  }

  private select(node: SyntaxNode): ReadonlySet<string> {
    const metric = this.slice(node.getChild('Identifier'));
    const known = this.labelsOf(metric);
    if (known === undefined) throw new Error(`nobody exports ${metric}`);
    const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map(
      (matcher) => ({
        label: this.slice(matcher.getChild('LabelName')),
        operator: this.slice(matcher.getChild('MatchOp')),
        value: this.slice(matcher.getChild('StringLiteral')).slice(1, -1),
      }),
    );
    for (const { label } of matchers) demand(known, label, metric);
    this.selectors.push({ metric, matchers });
    return new Set(known);
  }

  private aggregate(node: SyntaxNode): Labels {
    const inner = this.labels(node.getChild('FunctionCallBody')?.lastChild ?? null);
    if (inner === undefined) throw new Error(`a scalar is aggregated: ${this.text}`);
    const modifier = node.getChild('AggregateModifier');
    const named = this.grouping(modifier);
    for (const label of named) demand(inner.all, label, this.slice(node));
    if (modifier?.getChild('Without')) return exactly(without(inner.all, named));
    return exactly(new Set(named));
  }

  private call(node: SyntaxNode): Labels {
    const name = this.slice(node.getChild('FunctionIdentifier'));
    const given: SyntaxNode[] = [];
    for (let child = node.getChild('FunctionCallBody')?.firstChild; child; child = child.nextSibling)
      given.push(child);
    const vectors = given.map((argument) => this.labels(argument)).filter((labels) => labels !== undefined);
    switch (name) {
      case 'time':
        return undefined;
      case 'vector':
        return exactly(new Set());
      case 'absent':
        return exactly(new Set(this.equalities(given[0])));
      case 'histogram_quantile': {
        const all = vectors[0]?.all ?? new Set();
        demand(all, 'le', this.text);
        return exactly(without(all, ['le']));
      }
      default:
        if (vectors.length !== 1) throw new Error(`${name} is not understood here: ${this.text}`);
        return vectors[0];
    }
  }

  private combine(node: SyntaxNode): Labels {
    const [left, right] = [this.labels(node.firstChild), this.labels(node.lastChild)];
    if (left === undefined || right === undefined) return left ?? right;
    const clause = node.getChild('MatchingModifierClause');
    const named = this.grouping(clause);
    const on = clause?.getChild('On');
    const keyOf = (side: ReadonlySet<string>): ReadonlySet<string> => {
      if (on) {
        for (const label of named) demand(side, label, this.slice(node));
        return new Set(named);
      }
      return without(side, named);
    };
    if (node.getChild('Or')) {
      if (on) for (const label of named) demand(left.all, label, this.slice(node));
      return {
        all: new Set([...left.all].filter((label) => right.all.has(label))),
        some: new Set([...left.some, ...right.some]),
      };
    }
    const [leftKey, rightKey] = [keyOf(left.all), keyOf(right.all)];
    const differing = [...leftKey].filter((label) => !rightKey.has(label)).length;
    if (differing > 0 || leftKey.size !== rightKey.size)
      throw new Error(`the sides never match, their labels differ: ${this.slice(node)}`);
    const keepsLeft = ['And', 'Unless'].some((operator) => node.getChild(operator) !== null);
    return keepsLeft || clause?.getChild('GroupLeft') ? left : exactly(leftKey);
  }

  private equalities(argument: SyntaxNode | undefined): string[] {
    if (argument?.name !== 'VectorSelector') return [];
    return (this.selectors.at(-1)?.matchers ?? [])
      .filter(({ operator }) => operator === '=')
      .map(({ label }) => label);
  }

  private grouping(node: SyntaxNode | null): string[] {
    const names = node?.getChild('GroupingLabels')?.getChildren('LabelName') ?? [];
    return names.map((name) => this.slice(name));
  }

  private slice(node: SyntaxNode | null): string {
    return node === null ? '' : this.text.slice(node.from, node.to);
  }
}

function exactly(labels: ReadonlySet<string>): NonNullable<Labels> {
  return { all: labels, some: labels };
}

function without(labels: ReadonlySet<string>, gone: readonly string[]): ReadonlySet<string> {
  return new Set([...labels].filter((label) => !gone.includes(label)));
}

function demand(labels: Iterable<string>, label: string, where: string): void {
  if (![...labels].includes(label)) throw new Error(`there is no label ${label} on ${where}`);
}
