// The files in memory are only worth something if they behave as real ones: random runs of calls are made on both, and
// every answer and every error must be the same.
import fs from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import {Files} from './files.ts'

const names = ['a', 'b', 'a/c', 'a/c/d', 'e/f']
const path = fc.constantFrom(...names)
const text = fc.string({maxLength: 20, unit: fc.constantFrom('x', 'y', 'ü')})
const nth = fc.nat(2)
const at = fc.nat(30)

/** What may be asked; open files are named by their place in the order of their opening. */
const call = fc.oneof(
  fc.record({call: fc.constant('open' as const), path, flags: fc.constantFrom('r+', 'w+')}),
  fc.record({call: fc.constant('close' as const), file: nth}),
  fc.record({call: fc.constant('read' as const), file: nth, at, length: fc.nat(40)}),
  fc.record({call: fc.constant('write' as const), file: nth, at, text}),
  fc.record({call: fc.constant('truncate' as const), file: nth, at}),
  fc.record({call: fc.constant('size' as const), file: nth}),
  fc.record({call: fc.constant('exists' as const), path}),
  fc.record({call: fc.constant('readFile' as const), path}),
  fc.record({call: fc.constant('writeFile' as const), path, text}),
  fc.record({call: fc.constant('mkdir' as const), path, recursive: fc.boolean()}),
  fc.record({call: fc.constant('readdir' as const), path, recursive: fc.boolean()}),
  fc.record({call: fc.constant('rename' as const), path, to: path}),
  fc.record({call: fc.constant('rm' as const), path, recursive: fc.boolean(), force: fc.boolean()}),
)
type Call = typeof call extends fc.Arbitrary<infer C> ? C : never

/** One side: real files below a directory, or those in memory. */
interface Side {
  readonly calls: Pick<
    typeof fs,
    'openSync' | 'closeSync' | 'readSync' | 'writeSync' | 'fstatSync' | 'ftruncateSync' | 'existsSync'
  > & {
    readFileSync: (path: string) => Buffer
    writeFileSync: (path: string, text: string) => void
    mkdirSync: (path: string, recursive: boolean) => unknown
    readdirSync: (path: string, recursive: boolean) => string[]
    renameSync: (from: string, to: string) => void
    rmSync: (path: string, options: fs.RmOptions) => void
  }
  readonly base: string
  readonly open: number[]
}

const realSide = (base: string): Side => ({
  calls: {
    ...fs,
    mkdirSync: (path, recursive) => fs.mkdirSync(path, {recursive}),
    readdirSync: (path, recursive) => fs.readdirSync(path, {recursive, encoding: 'utf8'}),
  },
  base,
  open: [],
})

function memorySide(): Side {
  const files = new Files()
  files.mkdirSync('/base', true)
  const calls = Object.getOwnPropertyNames(Files.prototype).map((name) => [
    name,
    (...given: never[]) => (files[name as 'openSync'] as (...given: never[]) => unknown)(...given),
  ])
  return {calls: Object.fromEntries(calls) as Side['calls'], base: '/base', open: []}
}

/** What came of a call: its answer, or the code of its error. */
function ask({calls, base, open}: Side, said: Call): unknown {
  const below = (path: string) => `${base}/${path}`
  const file = 'file' in said ? (open[said.file] ?? null) : null
  if (file === null && 'file' in said) return null
  const number = file ?? 0
  try {
    switch (said.call) {
      case 'open':
        return void open.push(calls.openSync(below(said.path), said.flags))
      case 'close':
        open.splice(open.indexOf(number), 1)
        return calls.closeSync(number)
      case 'read': {
        const into = Buffer.alloc(said.length + 1)
        return [calls.readSync(number, into, 1, said.length, said.at), into.toString('latin1')]
      }
      case 'write': {
        const bytes = Buffer.from(`-${said.text}`)
        return calls.writeSync(number, bytes, 1, bytes.length - 1, said.at)
      }
      case 'truncate':
        return calls.ftruncateSync(number, said.at)
      case 'size':
        return calls.fstatSync(number).size
      case 'exists':
        return calls.existsSync(below(said.path))
      case 'readFile':
        return calls.readFileSync(below(said.path)).toString('latin1')
      case 'writeFile':
        return calls.writeFileSync(below(said.path), said.text)
      case 'mkdir':
        return void calls.mkdirSync(below(said.path), said.recursive)
      case 'readdir':
        return calls.readdirSync(below(said.path), said.recursive).sort()
      case 'rename':
        return calls.renameSync(below(said.path), below(said.to))
      case 'rm':
        return calls.rmSync(below(said.path), said)
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

test('files in memory answer as real files do', (t) => {
  const parent = fs.mkdtempSync(join(tmpdir(), 'ostler-files-'))
  let runs = 0
  try {
    fc.assert(
      fc.property(fc.array(call, {maxLength: 40}), (said) => {
        const base = join(parent, String(runs++))
        fs.mkdirSync(base)
        const [real, memory] = [realSide(base), memorySide()]
        try {
          for (const [place, one] of said.entries())
            t.deepEqual(ask(memory, one), ask(real, one), `call ${place}: ${JSON.stringify(one)}`)
        } finally {
          for (const file of real.open) fs.closeSync(file)
        }
      }),
      {numRuns: 500},
    )
  } finally {
    fs.rmSync(parent, {recursive: true, force: true})
  }
})
