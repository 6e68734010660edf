// The program that evaluates a configuration in TypeScript or JavaScript, in a process of its own: it may loop, throw,
// exit or print, and the master is none the worse. It gets a nearly empty environment. (Its code can still open the
// network and read files: a configuration is trusted as much as the master's own unit file is.)
//
//     node program.js ENTRY OSTLER_CONFIG_MODULE DIRECTORY      answers on file descriptor 3
import {writeFileSync, writeSync} from 'node:fs'
import {createRequire, SourceMap, type SourceMapPayload} from 'node:module'
import {dirname, join, resolve} from 'node:path'
import {pathToFileURL} from 'node:url'
import {build, type Message} from 'esbuild'
import type {Answer, SourceLiteral, SourcePlace} from './answer.ts'
import {instrument, type Instrumented} from './literals.ts'

type Path = readonly (string | number)[]

const valuesMost = 500_000

interface Bundle {
  readonly code: string
  readonly map: SourceMap
  readonly inputs: readonly string[]
}

/** One file of JavaScript out of the entry and all it imports. */
async function bundle(entry: string, configModule: string): Promise<Bundle> {
  const url = JSON.stringify(pathToFileURL(entry).href)
  const {outputFiles, metafile} = await build({
    entryPoints: [entry],
    absWorkingDir: dirname(entry),
    outfile: 'bundle.mjs',
    bundle: true,
    write: false,
    metafile: true,
    sourcemap: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    charset: 'utf8',
    logLevel: 'silent',
    alias: {'ostler/config': configModule},
    define: {
      'import.meta.url': url,
      'import.meta.filename': JSON.stringify(entry),
      'import.meta.dirname': JSON.stringify(dirname(entry)),
    },
  })
  const textOf = (end: string): string => outputFiles.find(({path}) => path.endsWith(end))?.text ?? ''
  return {
    code: textOf('.mjs'),
    map: new SourceMap(JSON.parse(textOf('.map')) as SourceMapPayload),
    inputs: Object.keys(metafile.inputs).map((input) => resolve(dirname(entry), input)),
  }
}

/** Remembers which literals made a value, while the bundle runs. */
class Origins {
  readonly #literals = new WeakMap<object, readonly number[]>()
  readonly #open: {readonly id: number; readonly sources: unknown[]}[] = []

  readonly begin = (id: number): void => {
    this.#open.push({id, sources: []})
  }

  readonly from = (source: unknown): unknown => {
    this.#open.at(-1)?.sources.push(source)
    return source
  }

  readonly made = (value: object, id: number): object => {
    // What an exception left open lies above.
    let frame = this.#open.pop()
    while (frame && frame.id !== id) frame = this.#open.pop()
    const inherited = (frame?.sources ?? []).toReversed().flatMap((source) => this.of(source))
    this.#literals.set(value, [id, ...inherited].slice(0, 20))
    return value
  }

  of(value: unknown): readonly number[] {
    return typeof value === 'object' && value !== null ? (this.#literals.get(value) ?? []) : []
  }
}

/** What is not data in a value, and where all else was made. */
function examine(root: unknown, origins: Origins) {
  const made: Record<string, readonly number[]> = {}
  const faults: {path: Path; message: string}[] = []
  const above = new Set<object>()
  let seen = 0
  const visit = (value: unknown, path: Path): void => {
    if (++seen > valuesMost) return
    const message = faultOf(value, above)
    if (message !== null) faults.push({path, message})
    if (message !== null || typeof value !== 'object' || value === null) return
    made[JSON.stringify(path)] = origins.of(value)
    above.add(value)
    if (Array.isArray(value))
      value.forEach((item, at) => {
        visit(item, [...path, at])
      })
    else for (const [key, item] of Object.entries(value)) if (item !== undefined) visit(item, [...path, key])
    above.delete(value)
  }
  visit(root, [])
  if (seen > valuesMost)
    faults.push({path: [], message: `a configuration has at most ${String(valuesMost)} values`})
  return {made, faults: faults.slice(0, 200)}
}

/** Why a value is no data; null when it is. */
function faultOf(value: unknown, above: ReadonlySet<object>): string | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null
  if (typeof value === 'number') return Number.isFinite(value) ? null : `expected data, got ${String(value)}`
  if (typeof value === 'function') return 'expected data, got a function; call it, and give what it returns'
  if (typeof value !== 'object') return `expected data, got ${typeof value}`
  if (above.has(value)) return 'expected data, got an object that contains itself'
  if (Array.isArray(value)) return null
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return null
  if (value instanceof Promise) return 'expected data, got a promise; await it'
  return `expected data, got an object of class ${value.constructor.name}`
}

class Places {
  readonly #starts: number[] = [0]
  readonly #map: SourceMap
  readonly #directory: string
  readonly #configModule: string

  constructor({code, map}: Bundle, directory: string, configModule: string) {
    for (let feed = code.indexOf('\n'); feed !== -1; feed = code.indexOf('\n', feed + 1))
      this.#starts.push(feed + 1)
    this.#map = map
    this.#directory = directory
    this.#configModule = configModule
  }

  /** The user's place of a line (from 1) and column (from 0) of the bundle; null within `ostler/config` itself. */
  at(line: number, column: number): SourcePlace | null {
    const entry = this.#map.findEntry(line - 1, column)
    if (!('originalSource' in entry)) return null
    const file = resolve(this.#directory, entry.originalSource)
    return file === this.#configModule
      ? null
      : {file, line: entry.originalLine + 1, column: entry.originalColumn + 1}
  }

  ofOffset(offset: number): SourcePlace | null {
    let [low, high] = [0, this.#starts.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return this.at(low + 1, offset - (this.#starts[low] ?? 0))
  }
}

/** The literals that the data was made from, with their places. */
function literalsOf(
  made: Readonly<Record<string, readonly number[]>>,
  {literals}: Instrumented,
  places: Places,
) {
  const used = new Set(Object.values(made).flat())
  const found: Record<string, SourceLiteral> = {}
  for (const id of used) {
    const literal = literals[id]
    if (!literal) continue
    const keys = [...literal.keys].flatMap(([name, offsets]) => {
      const [key, value] = [places.ofOffset(offsets.key), places.ofOffset(offsets.value)]
      return key && value ? [[name, {key, value}] as const] : []
    })
    found[String(id)] = {place: places.ofOffset(literal.start), keys: Object.fromEntries(keys)}
  }
  return found
}

/** Where in the bundle an error was thrown, by its stack; null when it does not say. */
function thrownAt(
  error: unknown,
  file: string,
  {columnBefore}: Instrumented,
  places: Places,
): SourcePlace | null {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const frame of stack.split('\n')) {
    const at = frame.lastIndexOf(`${file}:`)
    const numbers = at === -1 ? null : /^(\d+):(\d+)/.exec(frame.slice(at + file.length + 1))
    if (!numbers) continue
    const line = Number(numbers[1])
    const place = places.at(line, columnBefore(line, Number(numbers[2]) - 1))
    if (place) return place
  }
  return null
}

const isBuildFailure = (error: unknown): error is {errors: readonly Message[]} =>
  error instanceof Error && 'errors' in error && Array.isArray(error.errors)

/** Evaluates the entry and says what came of it. */
async function evaluate(entry: string, configModule: string, directory: string): Promise<Answer> {
  let bundled: Bundle
  try {
    bundled = await bundle(entry, configModule)
  } catch (error) {
    if (!isBuildFailure(error)) throw error
    const problems = error.errors.map(({location, text}) => ({
      place: location && {
        file: resolve(dirname(entry), location.file),
        line: location.line,
        column: location.column + 1,
      },
      message: text,
    }))
    return {answer: 'problems', inputs: [entry], problems}
  }
  const {inputs} = bundled
  const instrumented = instrument(bundled.code)
  const places = new Places(bundled, dirname(entry), configModule)
  const origins = new Origins()
  const file = join(directory, 'bundle.mjs')
  writeFileSync(file, instrumented.code)
  // What was written as CommonJS asks for Node's modules with `require`.
  Object.assign(globalThis, {$ostler: origins, require: createRequire(entry)})
  try {
    const module = (await import(pathToFileURL(file).href)) as {default?: unknown}
    if (module.default === undefined) {
      return {
        answer: 'problems',
        inputs,
        problems: [{place: null, message: 'expected "export default defineConfig({...})"'}],
      }
    }
    const {made, faults} = examine(module.default, origins)
    const data: unknown = faults.length === 0 ? module.default : null
    return {answer: 'data', data, inputs, made, literals: literalsOf(made, instrumented, places), faults}
  } catch (error) {
    const message =
      `it throws: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`.slice(
        0,
        2000,
      )
    return {
      answer: 'problems',
      inputs,
      problems: [{place: thrownAt(error, file, instrumented, places), message}],
    }
  }
}

function write(text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length;) done += writeSync(3, bytes, done)
}

const [entry = '', configModule = '', directory = ''] = process.argv.slice(2)
write(JSON.stringify(await evaluate(entry, configModule, directory)))
// A timer or socket that the configuration left open does not keep anyone waiting.
process.exit(0)
