// Reads a configuration file: YAML and JSON as they lie, TypeScript and JavaScript by evaluating them in a process of
// their own (see `configuration/program.ts`). Whatever is wrong becomes a problem with its place; nothing throws.
import {spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {mkdtemp, readFile, realpath, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, extname, join, relative, resolve} from 'node:path'
import type {Loaded, Problem} from '../../config/config.ts'
import {loadData, loadYaml, pathText, textMost, type Locate, type Position} from '../../config/load.ts'
import {builtFile} from './place.ts'
import type {Answer, SourcePlace} from './configuration/answer.ts'

/** A configuration or its problems, with the files it was read from (to watch) and a hash that changes when it does. */
export type ConfigurationRead = Loaded & {readonly hash: string; readonly inputs: readonly string[]}

export interface ReadLimits {
  /** Milliseconds within which a TypeScript file must be evaluated. */
  readonly evaluationMs?: number
}

const written = ['.yaml', '.yml', '.json']
const evaluated = ['.ts', '.mts', '.js', '.mjs']
const answerMost = 64 * 1024 * 1024
const stderrMost = 64 * 1024

/** Reads a configuration file; problems call it as `file` does. */
export async function readConfiguration(
  file: string,
  {evaluationMs = 20_000}: ReadLimits = {},
): Promise<ConfigurationRead> {
  const {loaded, inputs} = await read(file, evaluationMs)
  const hash = createHash('sha256')
    .update(JSON.stringify(loaded.config ?? loaded.problems))
    .digest('hex')
  return {...loaded, hash, inputs}
}

interface Read {
  readonly loaded: Loaded
  readonly inputs: readonly string[]
}

async function read(file: string, evaluationMs: number): Promise<Read> {
  const path = resolve(file)
  const refuse = (message: string): Read => ({loaded: refused([whole(file, message)]), inputs: [path]})
  const extension = extname(path).toLowerCase()
  if (![...written, ...evaluated].includes(extension)) {
    return refuse(`expected a file ending in ${[...written, ...evaluated].join(', ')}`)
  }
  try {
    const found = await stat(path)
    if (!found.isFile()) return refuse('expected a file')
    if (found.size > textMost) return refuse('a configuration has at most 4 MiB')
    if (evaluated.includes(extension)) return await evaluate(await realpath(path), file, evaluationMs)
    const text = new TextDecoder('utf-8', {fatal: true}).decode(await readFile(path))
    return {loaded: loadYaml(text, file), inputs: [path]}
  } catch (error) {
    return refuse(unreadable(error))
  }
}

function unreadable(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'may not be read by this user'
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not UTF-8 text'
  return `cannot be read: ${message}`
}

const whole = (file: string, message: string): Problem => ({file, line: 1, column: 1, path: '', message})

const refused = (problems: readonly Problem[]): Loaded => ({config: null, problems})

async function evaluate(path: string, file: string, evaluationMs: number): Promise<Read> {
  const directory = await mkdtemp(join(tmpdir(), 'ostler-config-'))
  try {
    const answer = await ask(path, await realpath(directory), evaluationMs)
    if (typeof answer === 'string') return {loaded: refused([whole(file, answer)]), inputs: [path]}
    // The file itself is called as the user called it, what it imports as seen from here.
    const named = (at: SourcePlace): Position => ({
      ...at,
      file: at.file === path ? file : relative(process.cwd(), at.file),
    })
    const inputs = answer.inputs.filter((input) => input !== configModule)
    return {loaded: answered(answer, file, named), inputs}
  } finally {
    await rm(directory, {recursive: true, force: true})
  }
}

function answered(answer: Answer, file: string, named: (at: SourcePlace) => Position): Loaded {
  if (answer.answer === 'problems') {
    return refused(
      answer.problems.map(({place, message}) => ({
        ...(place ? named(place) : {file, line: 1, column: 1}),
        path: '',
        message,
      })),
    )
  }
  const locate = locateIn(answer, file, named)
  if (answer.faults.length === 0) return loadData(answer.data, file, locate)
  return refused(
    answer.faults.map(({path, message}) => ({...locate(path, false), path: pathText(path), message})),
  )
}

/** Finds values by the literals that made them; what no literal made is found at what holds it. */
function locateIn(
  {made, literals}: Extract<Answer, {answer: 'data'}>,
  file: string,
  named: (at: SourcePlace) => Position,
): Locate {
  const literalsAt = (path: readonly PropertyKey[]) =>
    (made[JSON.stringify(path)] ?? [])
      .map((id) => literals[String(id)])
      .filter((literal) => literal !== undefined)
  return (path, atKey) => {
    for (let depth = path.length; depth >= 0; depth--) {
      const own = literalsAt(path.slice(0, depth)).find(({place}) => place !== null)
      const key = String(path[depth - 1])
      const holder = depth === 0 ? [] : literalsAt(path.slice(0, depth - 1))
      const pair = holder
        .map(({keys}) => (Object.hasOwn(keys, key) ? keys[key] : undefined))
        .find((each) => each !== undefined)
      const isKey = atKey && depth === path.length
      const place = isKey ? pair?.key : (own?.place ?? pair?.value)
      if (place) return named(place)
    }
    return {file, line: 1, column: 1}
  }
}

const configModule = builtFile('config/index.js')
const program = builtFile('master/world/configuration/program.js')

/** What a configuration may see of the master's environment: nothing that could be a secret. */
const passedOn = ['PATH', 'HOME', 'LANG', 'TZ']

/** Runs the program on an entry; a text says why there is no answer. */
function ask(entry: string, directory: string, limitMs: number): Promise<Answer | string> {
  const env = Object.fromEntries(
    passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=512', program, entry, configModule, directory],
    {
      cwd: dirname(entry),
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    },
  )
  const chunks: Buffer[] = []
  let length = 0
  let stderr = ''
  let because: string | null = null
  const end = (reason: string): void => {
    because ??= reason
    child.kill('SIGKILL')
  }
  const limit = setTimeout(() => {
    end(
      `did not come to an end within ${String(limitMs / 1000)} seconds; look for an endless loop, or for what it waits for`,
    )
  }, limitMs)
  const [, , errors, answers] = child.stdio
  errors?.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-stderrMost)))
  answers?.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > answerMost) end('comes to more data than the 64 MiB allowed')
    else chunks.push(chunk)
  })
  return new Promise((done) => {
    child.on('error', (error) => {
      clearTimeout(limit)
      done(`cannot be evaluated: ${error.message}`)
    })
    child.on('close', (code) => {
      clearTimeout(limit)
      done(because ?? answerOf(Buffer.concat(chunks).toString(), code, stderr))
    })
  })
}

function answerOf(text: string, code: number | null, stderr: string): Answer | string {
  try {
    return JSON.parse(text) as Answer
  } catch {
    if (code === 13) return 'waits for something that never comes: look for an await without an end'
    if (stderr.includes('heap out of memory')) return 'needs more than the 512 MiB of memory allowed'
    if (code === 0) return 'ended before it gave a configuration: it must not call process.exit'
    return `ended with code ${String(code)} before it gave a configuration: ${lastLine(stderr)}`
  }
}

const lastLine = (text: string): string =>
  text
    .split('\n')
    .findLast((line) => /\w*Error\b/.test(line))
    ?.trim() ?? text.trim().slice(-500)
