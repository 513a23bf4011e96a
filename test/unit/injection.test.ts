import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** They take the logger and the program from a container. */
const ENTRY_POINTS = ['src/operator.ts', 'src/validating-webhook.ts', 'src/cli.ts'];

const calls = (decorator: ts.Decorator, name: RegExp): boolean =>
  ts.isCallExpression(decorator.expression) && name.test(decorator.expression.expression.getText());

const decoratorsOf = (node: ts.HasDecorators): readonly ts.Decorator[] => ts.getDecorators(node) ?? [];

/** `@inject(TOKENS.x)`, and nothing that would need emitted types. */
function isInjected(parameter: ts.ParameterDeclaration): boolean {
  return decoratorsOf(parameter).some(
    (decorator) =>
      calls(decorator, /^inject(All)?$/) &&
      ts.isCallExpression(decorator.expression) &&
      /^TOKENS\.\w+$/.test(decorator.expression.arguments[0]?.getText() ?? ''),
  );
}

/** What a container could not make, or makes where none should be. */
function faults(file: string, text: string): string[] {
  const found: string[] = [];
  const allowed = ENTRY_POINTS.includes(file)
    ? /\.resolve$/
    : file.startsWith('src/composition/')
      ? /\.register$/
      : /$^/;
  const visit = (node: ts.Node): void => {
    if (ts.isClassDeclaration(node)) {
      const name = node.name?.text ?? '';
      const parameters = node.members.find(ts.isConstructorDeclaration)?.parameters ?? [];
      const isService = decoratorsOf(node).some((decorator) => calls(decorator, /^injectable$/));
      const bare = parameters.filter((parameter) => !isInjected(parameter));
      if (isService && bare.length > 0)
        found.push(`${name} does not inject ${bare.map((parameter) => parameter.name.getText()).join()}`);
      if (!isService && bare.length < parameters.length) found.push(`${name} is not injectable`);
    }
    if (ts.isCallExpression(node) && /^TOKENS\./.test(node.arguments[0]?.getText() ?? '')) {
      const callee = node.expression.getText();
      if (/\.(resolve|resolveAll|register)$/.test(callee) && !allowed.test(callee))
        found.push(`${file} calls ${callee}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  return found;
}

describe('services', () => {
  it('name every part that they need by its token, and take none from a container', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const texts = files.map((file) => [`src/${file}`, readFileSync(`src/${file}`, 'utf8')] as const);
    expect(texts.filter(([, text]) => text.includes('@injectable()')).length).toBeGreaterThan(20);
    expect(texts.flatMap(([file, text]) => faults(file, text))).toEqual([]);
  });

  it.each([
    [
      'a parameter without a token',
      '@injectable() class A { constructor(@inject(TOKENS.a) a: B, c = 1) {} }',
    ],
    ['a class as a token', '@injectable() class A { constructor(@inject(B) b: B) {} }'],
    ['a class that is not marked', 'class A { constructor(@inject(TOKENS.b) b: B) {} }'],
    ['a service that resolves', 'class A { b = this.container.resolve<B>(TOKENS.b); }'],
  ])('are seen to break that with %s', (_what, text) => {
    expect(faults('src/queue/a.ts', text)).toHaveLength(1);
  });

  it('are resolved by entry points and registered by composition, not the other way round', () => {
    const resolving = 'container.resolve<B>(TOKENS.b);';
    const registering = 'container.register(TOKENS.b, { useClass: B });';
    expect(faults('src/operator.ts', resolving)).toEqual([]);
    expect(faults('src/composition/a.ts', registering)).toEqual([]);
    expect(faults('src/composition/a.ts', resolving)).toHaveLength(1);
    expect(faults('src/operator.ts', registering)).toHaveLength(1);
  });
});
