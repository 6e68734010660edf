// Text or data -> Config, or every problem at once, each at its place. Nothing a document holds makes this throw.
import {isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document} from 'yaml'
import {checkDocument} from './checks.ts'
import type {Loaded, Problem} from './config.ts'
import {documentShape} from './document.ts'
import {reporterKinds} from './kinds/reporters/index.ts'
import {ruleKinds} from './kinds/promotions/index.ts'
import {schedulerKinds} from './kinds/schedulers/index.ts'
import {sourceKinds} from './kinds/sources/index.ts'
import {stepKinds} from './kinds/steps/index.ts'
import {contradictions, resolve} from './resolve.ts'
import {findings, withoutEchoes, type Finding} from './wording.ts'

type Path = readonly PropertyKey[]

/** Where in the user's text something is; lines and columns from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Finds the value at a path, or its key; what is not there is found at what would hold it. */
export type Locate = (path: Path, atKey: boolean) => Position

/** The longest text that is read, in characters. */
export const textMost = 4 * 1024 * 1024
const problemsMost = 200
const aliasesMost = 100

/** `builders[0].steps[3].timeout`. */
export const pathText = (path: Path): string =>
  path
    .map((key) => (typeof key === 'number' ? `[${String(key)}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')

/** `file:line:column: path: message`. */
export const problemText = ({file, line, column, path, message}: Problem): string =>
  `${file}:${String(line)}:${String(column)}: ${path === '' ? '' : `${path}: `}${message}`

/** Loads a YAML document (JSON is YAML too). `file` is what problems call it. */
export function loadYaml(text: string, file: string): Loaded {
  const at = (line: number, column: number, message: string): Problem => ({
    file,
    line,
    column,
    path: '',
    message,
  })
  if (text.length > textMost) return refused([at(1, 1, 'a configuration has at most 4 MiB')])
  try {
    const lines = new LineCounter()
    const document = parseDocument(text, {
      lineCounter: lines,
      merge: true,
      prettyErrors: false,
      logLevel: 'silent',
    })
    const faults = [...document.errors, ...document.warnings].map((error) => {
      const {line, col} = lines.linePos(error.pos[0])
      return at(line, col, error.code === 'DUPLICATE_KEY' ? 'this key is there twice' : error.message)
    })
    // A key that is there twice leaves the rest readable; after any other fault the rest would be guesswork.
    if (faults.length > 0 && document.errors.some(({code}) => code !== 'DUPLICATE_KEY'))
      return refused(faults)
    const data: unknown = document.toJS({maxAliasCount: aliasesMost})
    const loaded = loadData(data, file, locateIn(document, lines, file))
    return faults.length === 0 ? loaded : refused([...faults, ...loaded.problems])
  } catch (error) {
    return refused([at(1, 1, unreadable(error))])
  }
}

/** Loads data that was read from elsewhere, such as an evaluated TypeScript file. */
export function loadData(data: unknown, file: string, locate: Locate): Loaded {
  try {
    const place = (path: Path, atKey = false): Position => locate(path, atKey)
    const parsed = documentShape.safeParse(data, {reportInput: false})
    const found: Finding[] = [
      ...withoutEchoes(
        (parsed.error?.issues ?? []).flatMap((issue) => findings(issue, documentShape, data, kindsAt)),
      ),
    ]
    found.push(
      ...checkDocument(data, (path) => {
        const {file: where, line, column} = place(path)
        return `${where}:${String(line)}:${String(column)}`
      }),
    )
    const config = parsed.success && found.length === 0 ? resolve(parsed.data) : null
    if (config) found.push(...contradictions(config))
    if (config && found.length === 0) return {config, problems: []}
    return refused(
      found.map(({path, message, atKey}) => ({...place(path, atKey), path: pathText(path), message})),
    )
  } catch (error) {
    return refused([{file, line: 1, column: 1, path: '', message: unreadable(error)}])
  }
}

/** The kinds that the item at a path, whose last key is `kind`, may have. */
function kindsAt(path: Path): readonly string[] {
  const lists = {
    steps: stepKinds,
    schedulers: schedulerKinds,
    changeSources: sourceKinds,
    rules: ruleKinds,
    reporters: reporterKinds,
  }
  const list = path.findLast((key) => typeof key === 'string' && Object.hasOwn(lists, key))
  return list === undefined ? [] : lists[list as keyof typeof lists].map(({kind}) => kind)
}

/** Problems in the order of the text, each once. */
function refused(problems: readonly Problem[]): Loaded {
  const unique = [...new Map(problems.map((problem) => [problemText(problem), problem])).values()]
  const sorted = unique.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const [first] = sorted
  if (!first || sorted.length <= problemsMost) return {config: null, problems: sorted}
  const rest = {...first, path: '', message: `and ${String(sorted.length - problemsMost)} more problems`}
  return {config: null, problems: [...sorted.slice(0, problemsMost), rest]}
}

function unreadable(error: unknown): string {
  if (error instanceof RangeError) return 'cannot be read: nested too deeply, or in a circle'
  if (error instanceof ReferenceError) return `cannot be read: ${error.message}`
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`
}

function locateIn(document: Document.Parsed, lines: LineCounter, file: string): Locate {
  return (path, atKey) => {
    let node: unknown = document.contents
    let offset = startOf(node) ?? 0
    for (const [depth, key] of path.entries()) {
      if (isAlias(node)) node = node.resolve(document)
      if (isSeq(node)) node = node.items[Number(key)]
      else if (isMap(node)) {
        const pair = node.items.find((each) => isScalar(each.key) && String(each.key.value) === String(key))
        if (!pair) break
        offset = startOf(pair.key) ?? offset
        if (atKey && depth === path.length - 1) break
        node = pair.value
      } else break
      offset = startOf(node) ?? offset
    }
    const {line, col} = lines.linePos(offset)
    return {file, line: Math.max(line, 1), column: Math.max(col, 1)}
  }
}

const startOf = (node: unknown): number | undefined =>
  (node as {range?: readonly number[]} | null)?.range?.[0]
