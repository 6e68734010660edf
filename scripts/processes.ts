// Real masters and workers as child processes, driven by their public surfaces only: the `ostler` command and the
// HTTP API. The demo, the bench and the tests start theirs here, so that nothing works in them that would not for a user.
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {Api} from './api.ts'

/** The `ostler` command of this clone. From `dist/scripts/` it lies two folders up. */
export const ostlerCommand = fileURLToPath(new URL('../../bin/ostler.mjs', import.meta.url))

const running = new Set<Process>()
process.on('exit', () => {
  for (const each of running) each.child.kill('SIGKILL')
})

/** One of our processes: what it says is kept, and it is ended with us. */
export class Process {
  readonly name: string
  readonly child: ChildProcess
  /** The last thousand lines it printed, both streams. */
  readonly lines: string[] = []
  /** How it ended: `exit 1`, `SIGKILL`. */
  readonly ended: Promise<string>
  private over: string | null = null

  constructor(
    name: string,
    args: readonly string[],
    {
      env = {},
      cwd,
      program = ostlerCommand,
    }: {env?: NodeJS.ProcessEnv; cwd?: string; program?: string | undefined} = {},
  ) {
    this.name = name
    this.child = spawn(process.execPath, [program, ...args], {
      cwd,
      env: {...cleanEnvironment(), ...env},
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group: Ctrl+C in a terminal reaches only us, and we stop things in their order.
      detached: true,
    })
    running.add(this)
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        running.delete(this)
        this.over ??= how
        resolve(how)
      }
      this.child.on('error', (error) => {
        end(error.message)
      })
      this.child.on('exit', (code, signal) => {
        end(signal ?? `exit ${String(code)}`)
      })
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      if (stream) createInterface({input: stream}).on('line', (line) => this.keep(line))
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`the ${this.name} did not start: ${this.over ?? ''}`)
    return this.child.pid
  }

  /** How it ended, or null while it runs. */
  get how(): string | null {
    return this.over
  }

  /** Asks it to stop, and kills it when it has not after `graceMs`; answers how it ended. */
  async stop(graceMs = 20_000): Promise<string> {
    if (this.over !== null) return this.over
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    const how = await this.ended
    clearTimeout(timer)
    return how
  }

  /** SIGKILL, as a crash would. */
  async kill(): Promise<void> {
    if (this.over === null) this.child.kill('SIGKILL')
    await this.ended
  }

  private keep(line: string): void {
    this.lines.push(line)
    if (this.lines.length > 1000) this.lines.shift()
  }
}

export interface MasterOptions {
  readonly config: string
  readonly stateDir: string
  /** A PostgreSQL URL; without it the master embeds its own database. */
  readonly databaseUrl?: string
  /** A free one without it. */
  readonly port?: number
  /** The administrator's token, when another master of this database made it. */
  readonly tokenFile?: string
  readonly env?: NodeJS.ProcessEnv
  /** The `ostler` command of another clone. */
  readonly program?: string | undefined
  /** Gets the process before it answers. */
  readonly begun?: (running: Process) => void
}

/** A master that answers. */
export class Master {
  readonly process: Process
  readonly url: string
  /** As its administrator. */
  readonly api: Api
  readonly tokenFile: string

  private constructor(running: Process, url: string, tokenFile: string) {
    this.process = running
    this.url = url
    this.tokenFile = tokenFile
    this.api = new Api(url, readFileSync(tokenFile, 'utf8').trim())
  }

  /** Starts one; rejects with its own words when it ends or does not answer within a minute. */
  static async start(options: MasterOptions): Promise<Master> {
    const port = options.port ?? (await freePort())
    const listen = `127.0.0.1:${String(port)}`
    const args = ['master', '--config', options.config, '--state-dir', options.stateDir, '--listen', listen]
    const database = options.databaseUrl === undefined ? {} : {OSTLER_DATABASE_URL: options.databaseUrl}
    const {program} = options
    const running = new Process('master', args, {program, env: {...options.env, ...database}})
    options.begun?.(running)
    const url = `http://${listen}`
    const tokenFile = options.tokenFile ?? join(options.stateDir, 'admin-token')
    await untilHealthy(running, url, tokenFile)
    return new Master(running, url, tokenFile)
  }

  /** Runs the `ostler` command against this master, as its administrator. */
  async ostler(...args: readonly string[]): Promise<{code: number; stdout: string; stderr: string}> {
    return runOstler(args, {
      OSTLER_MASTER: this.url,
      OSTLER_TOKEN: readFileSync(this.tokenFile, 'utf8').trim(),
    })
  }

  /** A new token for a worker of this name, made by `ostler token worker`. */
  async workerToken(name: string): Promise<string> {
    const {code, stdout, stderr} = await this.ostler('token', 'worker', name)
    const token = stdout.trim().split(/\s+/).at(-1)
    if (code !== 0 || !token)
      throw new Error(`ostler token worker ${name} failed (${String(code)}): ${stderr}${stdout}`)
    return token
  }
}

export interface WorkerOptions {
  /** One address, or several of which any will do. */
  readonly master: string | readonly string[]
  readonly name: string
  readonly token: string
  readonly stateDir: string
  readonly labels?: Readonly<Record<string, string>>
  readonly maxBuilds?: number
  /** More words for its command line. */
  readonly more?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** The `ostler` command of another clone. */
  readonly program?: string
}

/** Starts a worker; it dials by itself. */
export function startWorker(options: WorkerOptions): Process {
  mkdirSync(options.stateDir, {recursive: true})
  const tokenFile = join(options.stateDir, 'token')
  writeFileSync(tokenFile, options.token, {mode: 0o600})
  const labels = Object.entries(options.labels ?? {}).flatMap(([key, value]) => [
    '--label',
    `${key}=${value}`,
  ])
  const most = options.maxBuilds === undefined ? [] : ['--max-builds', String(options.maxBuilds)]
  const masters = [options.master].flat().flatMap((master) => ['--master', master])
  const args = ['worker', ...masters, '--name', options.name, '--state-dir', options.stateDir]
  return new Process(
    `worker ${options.name}`,
    [...args, '--token-file', tokenFile, ...labels, ...most, ...(options.more ?? [])],
    {
      program: options.program,
      ...(options.env && {env: options.env}),
    },
  )
}

/** Runs the `ostler` command to its end. */
export async function runOstler(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): Promise<{code: number; stdout: string; stderr: string}> {
  const child = spawn(process.execPath, [ostlerCommand, ...args], {
    cwd,
    env: {...cleanEnvironment(), ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return {code: code ?? 1, stdout, stderr}
}

/** Waits until `look` answers something else than null or undefined; rejects after `withinMs`, saying what was awaited. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined>,
  {
    withinMs = 60_000,
    everyMs = 50,
    alive = [],
  }: {withinMs?: number; everyMs?: number; alive?: readonly Process[]} = {},
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const seen = await look().catch(async (error: unknown) => {
      // A master that died first shows as a request that failed: its death may come to be known in a moment.
      for (let moments = 0; moments < 20 && !alive.some(isDead); moments++) await sleep(50)
      if (!alive.some(isDead)) throw error
      return null
    })
    if (seen !== null && seen !== undefined) return seen
    const dead = alive.find(isDead)
    if (dead)
      throw new Error(
        `${what}: the ${dead.name} has ended (${dead.how ?? ''})\n${dead.lines.slice(-20).join('\n')}`,
      )
    if (Date.now() > deadline) throw new Error(`${what}: not within ${String(withinMs / 1000)} s`)
    await sleep(everyMs)
  }
}

const isDead = ({how}: Process) => how !== null

/** Below those that the kernel gives to outgoing connections: who goes away for a while finds his port free again. */
const ports = {first: 20_000, count: 12_000}

/** A port of 127.0.0.1 that nothing listens on now: `wanted`, when that is free. */
export async function freePort(wanted?: number): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = tries === 0 && wanted ? wanted : ports.first + Math.floor(Math.random() * ports.count)
    if (await isFree(port)) return port
  }
  throw new Error('no port of 127.0.0.1 is free')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

async function untilHealthy(running: Process, url: string, tokenFile: string): Promise<void> {
  try {
    await until('the master answers', () => healthy(running, url, tokenFile), {everyMs: 20, alive: [running]})
  } catch (error) {
    await running.kill()
    throw error
  }
}

/** It says itself that it listens: whoever else had the port would answer, too. */
async function healthy(running: Process, url: string, tokenFile: string): Promise<true | null> {
  if (!running.lines.some((line) => line.includes(`listening at ${url}`))) return null
  const answer = await fetch(`${url}/healthz`).catch(() => null)
  await answer?.body?.cancel()
  return answer?.ok && existsSync(tokenFile) ? true : null
}

/** Ours, without what another Ostler's user may have set and without npm's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(OSTLER_(?!TEST)|npm_|NODE_OPTIONS$|INIT_CWD$)/.test(name),
    ),
  )
}
