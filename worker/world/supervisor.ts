// A supervisor as the worker sees it: two FIFOs to order through and a bell to listen to. It lives if, and only if, the
// FIFO has a reader, which is true across restarts of the worker and through the wall of a container.
import {execFile, spawn} from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  watch,
  writeFileSync,
  writeSync,
  type FSWatcher,
} from 'node:fs'
import {homedir, userInfo} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {isOutOfDescriptors} from '../core/descriptors.ts'

/** What a step's processes can be told. */
export type Signal = 'INT' | 'TERM' | 'KILL' | 'STOP' | 'CONT'

const readyMs = 10_000
const slowTickMs = 1000

export class Supervisor {
  /** Called at every bell and at each slow tick; whoever runs a step listens and looks at the files. */
  onBell: () => void = () => undefined
  private readonly home: string
  private control: number | null = null
  private signals: number | null = null
  private readonly watcher: FSWatcher
  private readonly tick: NodeJS.Timeout

  /** `home` must hold the FIFOs and the bell (see `furnish`). */
  constructor(home: string) {
    this.home = home
    this.watcher = watch(join(home, 'bell'), () => this.onBell())
    this.watcher.on('error', () => undefined)
    this.tick = setInterval(() => this.onBell(), slowTickMs)
    this.tick.unref()
  }

  /** Waits until the supervisor listens; false when it does not in time. */
  async ready(isHopeless: () => Promise<boolean> = () => Promise.resolve(false)): Promise<boolean> {
    const until = Date.now() + readyMs
    while (!this.isAlive()) {
      if (Date.now() > until || (await isHopeless())) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 250)
        this.watcher.once('change', () => (clearTimeout(timer), setImmediate(resolve)))
      })
    }
    return true
  }

  isAlive(): boolean {
    try {
      closeSync(openSync(join(this.home, 'control'), constants.O_WRONLY | constants.O_NONBLOCK))
      return true
    } catch (error) {
      // Who cannot look does not know that it is gone.
      return isOutOfDescriptors(error)
    }
  }

  /** Starts a step. False when the supervisor is gone. */
  run(id: string, dir: string): boolean {
    this.control ??= this.open('control')
    return this.send(this.control, `${id} ${dir}\n`)
  }

  signal(id: string, signal: Signal, mark: string, dir: string): boolean {
    this.signals ??= this.open('signals')
    return this.send(this.signals, `${id} ${signal} ${mark} ${dir}\n`)
  }

  stop(): void {
    this.control ??= this.open('control')
    this.send(this.control, 'stop\n')
    this.close()
  }

  close(): void {
    clearInterval(this.tick)
    this.watcher.close()
    for (const file of [this.control, this.signals]) if (file !== null) closeSync(file)
    this.control = this.signals = null
  }

  private open(fifo: string): number | null {
    try {
      return openSync(join(this.home, fifo), constants.O_WRONLY | constants.O_NONBLOCK)
    } catch {
      return null
    }
  }

  private send(file: number | null, line: string): boolean {
    if (file === null) return false
    try {
      writeSync(file, line)
      return true
    } catch {
      return false
    }
  }
}

/** Makes the FIFOs and the bell of a supervisor's directory. */
export async function furnish(home: string): Promise<void> {
  mkdirSync(home, {recursive: true, mode: 0o700})
  writeFileSync(join(home, 'bell'), '\n')
  await promisify(execFile)('mkfifo', ['-m', '600', join(home, 'control'), join(home, 'signals')])
}

/** The supervisors on the host, used again and again: a build costs no new process for its own. */
export class HostSupervisors {
  private readonly root: string
  private readonly script: string
  private readonly open = new Map<number, Promise<Supervisor>>()
  private readonly idle: number[] = []

  constructor(stateDir: string, script: string) {
    this.root = join(stateDir, 'supervisors')
    this.script = script
    mkdirSync(this.root, {recursive: true, mode: 0o700})
    for (const name of readdirSync(this.root)) {
      const number = Number(name)
      if (!this.adopt(number)) rmSync(join(this.root, name), {recursive: true, force: true})
    }
  }

  /** The number of a free supervisor. */
  reserve(): number {
    const free = this.idle.pop()
    if (free !== undefined) return free
    let number = 1
    while (this.open.has(number)) number++
    this.open.set(number, this.start(number))
    this.open.get(number)?.catch(() => undefined)
    return number
  }

  /** Takes one out of the free ones that an attempt of an earlier life holds; false when it is gone. */
  claim(number: number): boolean {
    const at = this.idle.indexOf(number)
    if (at >= 0) this.idle.splice(at, 1)
    return at >= 0
  }

  /** The supervisor of a reserved number, once it listens. */
  async get(number: number): Promise<Supervisor> {
    const supervisor = await this.open.get(number)
    if (!supervisor) throw new Error(`supervisor ${number} is gone`)
    return supervisor
  }

  /** Gives a supervisor back; one that is dead or still busy is ended instead. */
  async release(number: number, isUsable: boolean): Promise<void> {
    const supervisor = await this.open.get(number)?.catch(() => null)
    if (supervisor && isUsable && supervisor.isAlive()) {
      supervisor.onBell = () => undefined
      this.idle.push(number)
      return
    }
    supervisor?.stop()
    this.open.delete(number)
    rmSync(join(this.root, String(number)), {recursive: true, force: true})
  }

  /** Ends those that no attempt uses. */
  async stopIdle(): Promise<void> {
    for (const number of this.idle.splice(0)) await this.release(number, false)
  }

  private adopt(number: number): boolean {
    if (!Number.isInteger(number)) return false
    let supervisor: Supervisor
    try {
      supervisor = new Supervisor(join(this.root, String(number)))
    } catch {
      return false
    }
    if (!supervisor.isAlive()) {
      supervisor.close()
      return false
    }
    this.open.set(number, Promise.resolve(supervisor))
    this.idle.push(number)
    return true
  }

  private async start(number: number): Promise<Supervisor> {
    const home = join(this.root, String(number))
    rmSync(home, {recursive: true, force: true})
    await furnish(home)
    const supervisor = new Supervisor(home)
    const child = spawn('sh', [this.script, home], {
      detached: true,
      stdio: 'ignore',
      env: cleanEnv(),
      cwd: home,
    })
    child.unref()
    if (!(await supervisor.ready())) throw new Error('the supervisor on the host did not start')
    return supervisor
  }
}

/** A user may be a mere number that the machine has no name for. */
function self(): {username: string; home: string} {
  try {
    return {username: userInfo().username, home: homedir()}
  } catch {
    return {username: String(process.getuid?.()), home: process.env['HOME'] ?? '/'}
  }
}

/** The environment that every step on the host begins with: nothing of the worker's own. */
export function cleanEnv(): Record<string, string> {
  const {PATH = '/usr/local/bin:/usr/bin:/bin', LANG = 'C.UTF-8', TZ} = process.env
  const {username, home} = self()
  return {
    PATH,
    LANG,
    HOME: home,
    USER: username,
    LOGNAME: username,
    SHELL: '/bin/sh',
    TERM: 'dumb',
    ...(TZ && {TZ}),
  }
}
