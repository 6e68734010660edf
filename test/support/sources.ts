// Reads the repository's own TypeScript: its files, what they import, and how long their functions are.
import {execFileSync} from 'node:child_process'
import {existsSync, readFileSync} from 'node:fs'
import {join, posix} from 'node:path'
import {fileURLToPath} from 'node:url'
import ts from 'typescript'

/** The repository's folder; compiled, this file lies in `dist/test/support/`. */
export const repository = fileURLToPath(new URL('../../../', import.meta.url))

export interface Import {
  readonly from: string
  /** Erased when compiled: no arrow at run time. */
  readonly typeOnly: boolean
  readonly line: number
}

export interface Source {
  /** Below the repository's folder. */
  readonly path: string
  readonly text: string
  readonly tree: ts.SourceFile
  readonly imports: readonly Import[]
}

/** Every file that git knows or would take, below the repository's folder. */
export function allFiles(): string[] {
  const words = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const listed = execFileSync('git', ['-c', 'safe.directory=*', ...words], {
    cwd: repository,
    encoding: 'utf8',
  })
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(repository, path)))
}

/** The TypeScript among them, read. */
export function readSources(): Source[] {
  return allFiles()
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => {
      const text = readFileSync(join(repository, path), 'utf8')
      const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
      return {path, text, tree, imports: importsOf(tree)}
    })
}

/** The file that a relative import means; null for a package. */
export function resolved(source: Source, from: string): string | null {
  return from.startsWith('.') ? posix.normalize(posix.join(posix.dirname(source.path), from)) : null
}

/** The package that an import names: `pg`, `@scope/name`, `node:fs`; null for a relative one. */
export function packageOf(from: string): string | null {
  if (from.startsWith('.')) return null
  if (from.startsWith('node:')) return from
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Every function with a name of its own or of what it is given to, and its lines. */
export function functionsOf(source: Source): {name: string; lines: number; file: string}[] {
  const found: {name: string; lines: number; file: string}[] = []
  const visit = (node: ts.Node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const first = source.tree.getLineAndCharacterOfPosition(node.getStart()).line
      const last = source.tree.getLineAndCharacterOfPosition(node.getEnd()).line
      found.push({name: nameOf(node), lines: last - first + 1, file: source.path})
    }
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  return found
}

/** Each call such as `test('title', ...)`, with its title where that is plain text. */
export function testTitles(source: Source): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node) => {
    if (ts.isCallExpression(node) && declaresTest(node.expression)) {
      const [first] = node.arguments
      if (first && ts.isStringLiteralLike(first)) titles.push(first.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  return titles
}

/** Names and properties used, as `Date.now` or `process`, with their lines; comments and texts do not count. */
export function namesUsed(source: Source): {name: string; line: number}[] {
  const found: {name: string; line: number}[] = []
  const note = (name: string, node: ts.Node) => {
    found.push({name, line: source.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1})
  }
  const visit = (node: ts.Node) => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression))
      note(`${node.expression.text}.${node.name.text}`, node)
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression))
      note(`new ${node.expression.text}(${node.arguments?.length ? '...' : ''})`, node)
    if (ts.isIdentifier(node) && !isMemberName(node)) note(node.text, node)
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  return found
}

/** Groups of files that import each other at run time, each as a path that returns to its start. */
export function cycles(sources: readonly Source[]): string[] {
  const arrows = new Map(
    sources.map((source) => [
      source.path,
      source.imports.flatMap(({from, typeOnly}) => (typeOnly ? [] : (resolved(source, from) ?? []))),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const walk = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (trail.includes(path) || done.has(path)) return
    for (const next of arrows.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of arrows.keys()) walk(path, [])
  return found
}

/** Whether a file holds more than types, imports and exports: something that could be wrong. */
export function holdsCode({tree}: Source): boolean {
  const only = [
    ts.SyntaxKind.ImportDeclaration,
    ts.SyntaxKind.ExportDeclaration,
    ts.SyntaxKind.InterfaceDeclaration,
    ts.SyntaxKind.TypeAliasDeclaration,
  ]
  return tree.statements.some(({kind}) => !only.includes(kind))
}

function importsOf(tree: ts.SourceFile): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Expression | undefined, typeOnly: boolean) => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return
    const line = tree.getLineAndCharacterOfPosition(specifier.getStart()).line + 1
    found.push({from: specifier.text, typeOnly, line})
  }
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node))
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function isTypeOnly({importClause}: ts.ImportDeclaration): boolean {
  if (!importClause) return false
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const {name, namedBindings} = importClause
  return (
    !name &&
    !!namedBindings &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.every((each) => each.isTypeOnly)
  )
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText()
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  const {parent} = node
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText()
  if (ts.isCallExpression(parent)) return `${parent.expression.getText().slice(0, 40)}(...)`
  return '(nameless)'
}

function declaresTest(called: ts.Expression): boolean {
  if (ts.isIdentifier(called)) return called.text === 'test'
  if (ts.isPropertyAccessExpression(called)) return declaresTest(called.expression)
  return false
}

function isMemberName(node: ts.Identifier): boolean {
  const {parent} = node
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isQualifiedName(parent)
  )
}
