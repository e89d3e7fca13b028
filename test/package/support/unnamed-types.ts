import { relative } from "node:path";
import ts from "typescript";

/**
 * Types that a caller meets in signatures of the entries and cannot name, because no entry exports them.
 * @param entries declaration files, `dist/src/index.d.ts` and so on
 * @param folder where the package's own declarations lie
 * @param opaque types that callers hand on and never look into
 * @returns `Type (met in Export)`, sorted
 */
export function unnamedTypes(entries: readonly string[], folder: string, opaque: readonly string[] = []): string[] {
  const program = ts.createProgram([...entries], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ["node"],
  });
  const checker = program.getTypeChecker();
  const real = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

  const exported = new Map<ts.Symbol, string>();
  for (const entry of entries) {
    const source = program.getSourceFile(entry);
    const module = source && checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${entry} is not there, or exports nothing`);
    for (const symbol of checker.getExportsOfModule(module)) exported.set(real(symbol), symbol.name);
  }

  const found = new Set<string>();
  for (const [symbol, name] of exported) {
    if (opaque.includes(name)) continue;
    for (const declaration of symbol.declarations ?? []) look(declaration, name);
  }
  return [...found].sort();

  function look(node: ts.Node, from: string): void {
    if (ts.isConstructorDeclaration(node) && hidden(node)) return;
    if (ts.isClassElement(node) && (hidden(node) || (node.name && ts.isPrivateIdentifier(node.name)))) return;
    if (ts.isTypeReferenceNode(node)) meet(node.typeName, from);
    // A base that is not exported itself adds its members to the export.
    if (ts.isExpressionWithTypeArguments(node)) {
      const base = checker.getSymbolAtLocation(node.expression);
      if (base !== undefined && ours(real(base)) && !exported.has(real(base))) {
        // Nobody calls its constructor from outside.
        for (const declaration of real(base).declarations ?? []) {
          if (!ts.isClassDeclaration(declaration)) look(declaration, from);
          else for (const member of declaration.members) if (!ts.isConstructorDeclaration(member)) look(member, from);
        }
      }
    }
    ts.forEachChild(node, (child) => look(child, from));
  }

  function meet(name: ts.EntityName, from: string): void {
    const symbol = checker.getSymbolAtLocation(name);
    if (symbol === undefined) throw new Error(`${name.getText()} (met in ${from}) is not known`);
    if (ours(real(symbol)) && !exported.has(real(symbol))) found.add(`${real(symbol).name} (met in ${from})`);
  }

  function ours(symbol: ts.Symbol): boolean {
    if (symbol.flags & ts.SymbolFlags.TypeParameter) return false;
    return (symbol.declarations ?? []).some(
      (declaration) => !relative(folder, declaration.getSourceFile().fileName).startsWith(".."),
    );
  }
}

function hidden(node: ts.ConstructorDeclaration | ts.ClassElement): boolean {
  const hiding = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return (ts.getCombinedModifierFlags(node) & hiding) !== 0;
}
