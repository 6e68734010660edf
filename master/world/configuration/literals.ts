// Where in a user's TypeScript a value was written. Every object and array literal of the bundled JavaScript is wrapped
// in a call that remembers which literal made the value; the source map then leads back to the user's file:
//
//     {a: 1, ...b}   becomes   ($ostler.begin(7), $ostler.made({a: 1, ...$ostler.from(b)}, 7))
//
// Line breaks are never inserted, so only columns move, and `columnBefore` moves them back.
import {parse, type Node} from 'acorn'

/** One literal: where it begins, and where its keys and values are, as offsets into the bundle. */
export interface Literal {
  readonly start: number
  readonly keys: ReadonlyMap<string, {readonly key: number; readonly value: number}>
}

export interface Instrumented {
  readonly code: string
  readonly literals: readonly Literal[]
  /** The column in the bundle of a column in `code`; both from 0. */
  readonly columnBefore: (line: number, column: number) => number
}

interface Insertion {
  readonly offset: number
  readonly text: string
}

type AnyNode = Node & Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is AnyNode =>
  typeof value === 'object' && value !== null && typeof (value as {type?: unknown}).type === 'string'

/** Every node, outermost first. (A pattern such as `const {a} = b` is no literal: acorn tells them apart.) */
function* nodesOf(root: AnyNode): Generator<AnyNode> {
  const waiting: AnyNode[] = [root]
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    yield node
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) waiting.push(...value.filter(isNode))
      else if (isNode(value)) waiting.push(value)
    }
  }
}

/** The bundle with every literal wrapped. */
export function instrument(bundle: string): Instrumented {
  const literals: Literal[] = []
  const insertions: Insertion[] = []
  const root = parse(bundle, {ecmaVersion: 'latest', sourceType: 'module'}) as unknown as AnyNode
  for (const node of nodesOf(root)) {
    if (node.type !== 'ObjectExpression' && node.type !== 'ArrayExpression') continue
    const id = String(literals.length)
    literals.push({start: node.start, keys: keysOf(node)})
    insertions.push(
      {offset: node.start, text: `($ostler.begin(${id}),$ostler.made(`},
      {offset: node.end, text: `,${id}))`},
    )
    if (node.type === 'ObjectExpression') {
      for (const property of node['properties'] as AnyNode[]) {
        if (property.type !== 'SpreadElement') continue
        const spread = property['argument'] as AnyNode
        insertions.push({offset: spread.start, text: '$ostler.from('}, {offset: spread.end, text: ')'})
      }
    }
  }
  return {literals, ...insert(bundle, insertions)}
}

/** An object's keys, or an array's indexes up to the first spread. */
function keysOf(node: AnyNode): Literal['keys'] {
  const keys = new Map<string, {key: number; value: number}>()
  if (node.type === 'ArrayExpression') {
    for (const [at, element] of (node['elements'] as (AnyNode | null)[]).entries()) {
      if (element?.type === 'SpreadElement') break
      if (element) keys.set(String(at), {key: element.start, value: element.start})
    }
    return keys
  }
  for (const property of node['properties'] as AnyNode[]) {
    if (property.type !== 'Property' || property['computed'] === true) continue
    const key = property['key'] as AnyNode
    const name = key.type === 'Identifier' ? key['name'] : key['value']
    keys.set(String(name), {key: key.start, value: (property['value'] as AnyNode).start})
  }
  return keys
}

function insert(bundle: string, insertions: readonly Insertion[]): Omit<Instrumented, 'literals'> {
  // What ends at an offset is closed before anything that begins there is opened; the walk goes outermost first, so
  // closings at one offset are turned round.
  const sorted = insertions
    .map((insertion, order) => ({...insertion, rank: insertion.text.endsWith('(') ? order : -order - 1}))
    .sort((a, b) => a.offset - b.offset || a.rank - b.rank)
  const pieces: string[] = []
  const shifts: {line: number; column: number; length: number}[] = []
  let done = 0
  let line = 1
  let lineStart = 0
  for (const {offset, text} of sorted) {
    for (
      let feed = bundle.indexOf('\n', Math.max(done, lineStart));
      feed !== -1 && feed < offset;
      feed = bundle.indexOf('\n', feed + 1)
    ) {
      line++
      lineStart = feed + 1
    }
    pieces.push(bundle.slice(done, offset), text)
    shifts.push({line, column: offset - lineStart, length: text.length})
    done = offset
  }
  pieces.push(bundle.slice(done))
  return {code: pieces.join(''), columnBefore: (at, column) => columnBefore(shifts, at, column)}
}

function columnBefore(
  shifts: readonly {line: number; column: number; length: number}[],
  line: number,
  column: number,
): number {
  let shifted = 0
  for (const shift of shifts) {
    if (shift.line !== line) continue
    if (shift.column + shifted > column) break
    shifted += Math.min(shift.length, column - shift.column - shifted)
  }
  return column - shifted
}
