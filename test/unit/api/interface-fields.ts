import ts from 'typescript';

/** The shape of a JSON value, as far as both a TypeScript type and a CRD schema can express it. */
export type Shape =
  | { readonly kind: 'string' | 'number' | 'boolean' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly items: Shape }
  | { readonly kind: 'map'; readonly values: Shape }
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, Field>> };

export interface Field {
  readonly required: boolean;
  readonly shape: Shape;
}

/**
 * Reads the exported interfaces of one source file with the TypeScript compiler.
 *
 * @throws Error when the file does not compile, when there is no such interface, and at a type that has
 *   no counterpart in a schema.
 */
export class InterfaceReader {
  private readonly checker: ts.TypeChecker;
  private readonly source: ts.SourceFile;

  constructor(file: string) {
    const program = ts.createProgram([file], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: [],
    });
    const source = program.getSourceFile(file);
    if (source === undefined) throw new Error(`there is no source file ${file}`);
    const [problem] = program.getSemanticDiagnostics(source);
    if (problem !== undefined) throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, ' '));
    this.source = source;
    this.checker = program.getTypeChecker();
  }

  read(name: string): Shape {
    const declaration = this.source.statements.find(
      (statement): statement is ts.InterfaceDeclaration =>
        ts.isInterfaceDeclaration(statement) && statement.name.text === name,
    );
    if (declaration === undefined) throw new Error(`there is no interface ${name}`);
    return this.shapeOf(this.checker.getTypeAtLocation(declaration), name);
  }

  private shapeOf(type: ts.Type, where: string): Shape {
    if (type.flags & ts.TypeFlags.String) return { kind: 'string' };
    if (type.flags & ts.TypeFlags.Number) return { kind: 'number' };
    if (type.flags & ts.TypeFlags.Boolean) return { kind: 'boolean' };
    if (type.isStringLiteral()) return { kind: 'enum', values: [type.value] };
    if (type.isUnion() && type.types.every((member) => member.isStringLiteral())) {
      return { kind: 'enum', values: type.types.map(({ value }) => value).sort() };
    }
    const items = this.checker.isArrayType(type) ? type.getNumberIndexType() : undefined;
    if (items !== undefined) return { kind: 'list', items: this.shapeOf(items, `${where}[]`) };
    const values = type.getStringIndexType();
    if (values !== undefined) return { kind: 'map', values: this.shapeOf(values, `${where}{}`) };
    if (!(type.flags & ts.TypeFlags.Object)) {
      throw new Error(`${where} is ${this.checker.typeToString(type)}, which no schema can say`);
    }
    const fields = type.getProperties().map((property): [string, Field] => {
      const at = `${where}.${property.name}`;
      const declared = this.checker.getTypeOfSymbol(property);
      const optional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      // An optional field's type has `undefined` in it, which JSON has not.
      const inner = optional ? this.checker.getNonNullableType(declared) : declared;
      return [property.name, { required: !optional, shape: this.shapeOf(inner, at) }];
    });
    return { kind: 'object', fields: Object.fromEntries(fields) };
  }
}
