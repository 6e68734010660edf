// Where steps run: on the host, or in the build's container. Either way a supervisor, a directory of step files that both
// sides see, and a workspace.
import {chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {execFile} from 'node:child_process'
import {promisify} from 'node:util'
import type {Attempt} from './attempt.ts'
import {Broken, type Engine} from './engine.ts'
import {killMarked, newestPid, type Since} from './processes.ts'
import {warn} from './print.ts'
import {furnish, Supervisor, type HostSupervisors} from './supervisor.ts'

export interface Ground {
  /** For the journal: `host`, or `container` with the engine's name. */
  readonly executor: string
  /** The directory of the step files, here and as the steps see it. */
  readonly here: string
  readonly inside: string
  readonly workspaceHere: string
  readonly workspaceInside: string
  /** Whether the supervisor is another than the one that earlier steps were started by. */
  readonly isReplaced: boolean
  /** The supervisor, started if it has to be. Throws Broken, or Lost when what ran is gone with its host. */
  supervisor(): Promise<Supervisor>
  /** Gives the workspace's files to the user that its steps run as. */
  lend(): Promise<void>
  /** Gives them back to the worker, which works on them from the host. */
  reclaim(): Promise<void>
  /** Ends all that the attempt left behind here. */
  leave(): Promise<void>
}

/** What the attempt ran in is gone: the host was restarted, or somebody removed the container. */
export class Lost extends Error {
  override readonly name = 'Lost'
}

export interface Place {
  readonly worker: string
  /** The random name of this state directory. */
  readonly state: string
  readonly script: string
  readonly supervisors: HostSupervisors
  readonly engine: Engine | null
  /** For people; empty when there is one. */
  readonly whyNoEngine: string
  readonly workspacePath: (name: string) => string
}

/** The mark in the environment of every process of an attempt. */
export const markOf = (place: Place, fence: string): string => `${place.state}/${fence}/`

export class HostGround implements Ground {
  readonly executor = 'host'
  readonly here: string
  readonly inside: string
  readonly workspaceHere: string
  readonly workspaceInside: string
  private readonly attempt: Attempt
  private readonly place: Place
  isReplaced = false
  private held: Supervisor | null = null
  private since: Since | null = null
  /** Whether a step of an earlier life of the worker ran here. */
  private readonly isOld: boolean

  constructor(attempt: Attempt, place: Place) {
    this.attempt = attempt
    this.place = place
    this.here = this.inside = attempt.dir
    this.workspaceHere = this.workspaceInside = place.workspacePath(attempt.workspace)
    this.isOld = attempt.supervisor !== null
  }

  async supervisor(): Promise<Supervisor> {
    if (this.held?.isAlive()) return this.held
    const {supervisors} = this.place
    let number = this.held ? null : this.attempt.supervisor
    if (number !== null && this.isOld && !supervisors.claim(number)) number = null
    this.isReplaced = number === null && this.isOld
    if (number === null) {
      number = supervisors.reserve()
      this.attempt.supervisor = number
    }
    if (!this.isOld) this.since ??= {pid: newestPid(), at: Date.now()}
    prepareStatus(this.here)
    this.held = await supervisors.get(number)
    return this.held
  }

  lend(): Promise<void> {
    return Promise.resolve()
  }

  reclaim(): Promise<void> {
    return Promise.resolve()
  }

  async leave(): Promise<void> {
    const number = this.attempt.supervisor
    if (number === null) return
    if (!this.held && this.isOld) this.place.supervisors.claim(number)
    await killMarked(`OSTLER_STEP=${markOf(this.place, this.attempt.fence)}`, this.since, Date.now())
    if (this.held) await this.place.supervisors.release(number, true)
    this.held = null
  }
}

export class ContainerGround implements Ground {
  readonly executor: string
  readonly here: string
  readonly inside = '/ostler/attempt'
  readonly workspaceHere: string
  readonly workspaceInside = '/ostler/workspace'
  readonly isReplaced = false
  private readonly attempt: Attempt
  private readonly place: Place
  private container: string | null = null
  private opened: Promise<Supervisor> | null = null
  /** The workspace's files belong to the user that the steps run as. */
  private isLent = false

  constructor(attempt: Attempt, place: Place) {
    this.attempt = attempt
    this.place = place
    this.here = join(attempt.dir, 'box')
    this.workspaceHere = place.workspacePath(attempt.workspace)
    this.executor = `container ${place.engine?.name ?? 'without an engine'}`
  }

  async supervisor(): Promise<Supervisor> {
    this.opened ??= this.open()
    const supervisor = await this.opened
    if (!supervisor.isAlive()) throw new Lost("the build's container is gone")
    return supervisor
  }

  async lend(): Promise<void> {
    if (this.isLent) return
    await this.supervisor()
    const {user = null} = this.attempt.plan.container ?? {}
    const [, uid, gid] =
      /^(\d+)\n(\d+)\n$/.exec(readFileSync(join(this.attempt.dir, 'owner'), 'latin1')) ?? []
    if (!uid || !gid) throw new Broken('the container does not tell the number of its user')
    const owner = `${uid}:${gid}`
    // Where the plan names no user the image may: its steps must be able to write here, too.
    const isOwn = owner === (this.place.engine?.ownUser() ?? '0:0')
    if (isRoot() && (!isOwn || user !== null))
      await promisify(execFile)('chown', ['-hR', owner, this.workspaceHere])
    if (!isRoot() && !isOwn) await this.give(owner, [this.workspaceHere])
    this.isLent = true
  }

  async reclaim(): Promise<void> {
    this.isLent = false
    const owner = this.place.engine?.ownUser() ?? null
    const mayHoldForeign = this.place.engine?.isRootless === true || !!this.attempt.plan.container?.user
    const directories = [this.workspaceHere, this.here]
    if (owner === null || !mayHoldForeign || !(await hasForeign(directories))) return
    await this.give(owner, directories).catch((error: unknown) => {
      // Nothing is lost by it; but a checkout there will fail, and a person must know why.
      const remedy = `as root: chown -R ${String(process.getuid?.())} ${this.workspaceHere}`
      warn('workspace.foreign', {workspace: this.workspaceHere, why: (error as Error).message, remedy})
    })
  }

  private async give(owner: string, directories: readonly string[]): Promise<void> {
    const {engine, worker, state} = this.place
    const plan = this.attempt.plan.container
    if (plan) await engine?.give({worker, state, plan}, owner, directories)
  }

  async leave(): Promise<void> {
    const supervisor = await this.opened?.catch(() => null)
    supervisor?.close()
    const {engine, state} = this.place
    if (!engine) return
    const id =
      this.container ??
      (existsSync(join(this.here, 'status')) ? await engine.find(state, this.attempt.fence, true) : null)
    if (id) await engine.remove(id)
    this.container = null
    await this.reclaim()
  }

  private async open(): Promise<Supervisor> {
    const {engine, whyNoEngine, worker, state, script} = this.place
    const {plan, fence} = this.attempt
    if (!engine) throw new Broken(`this worker has no container engine: ${whyNoEngine}`)
    if (!plan.container) throw new Error('a build without a container')
    if (existsSync(join(this.here, 'started'))) {
      this.container = await engine.find(state, fence)
      if (this.container === null) throw new Lost("the build's container is gone")
      return new Supervisor(this.here)
    }
    const leftover = await engine.find(state, fence, true)
    if (leftover) await engine.remove(leftover)
    for (const file of ['control', 'signals', 'bell', 'missing', 'owner'])
      rmSync(join(this.here, file), {force: true})
    await furnish(this.here)
    prepareStatus(this.here)
    // Whoever the image runs as must reach these: the box holds nothing that its steps may not see.
    for (const file of ['', 'control', 'signals', 'bell', 'status'])
      chmodSync(join(this.here, file), file === '' ? 0o777 : 0o666)
    const supervisor = new Supervisor(this.here)
    const id = await engine.start({
      worker, state, fence, script, build: plan.build, plan: plan.container, workspace: this.workspaceHere, box: this.here,
    }) // prettier-ignore
    this.container = id
    const ready = await supervisor.ready(async () => !(await engine.isRunning(id)))
    if (!ready) {
      supervisor.close()
      throw new Broken(await this.whyNot(id, engine))
    }
    // Out of the reach of its steps, which could name anybody.
    renameSync(join(this.here, 'owner'), join(this.attempt.dir, 'owner'))
    writeFileSync(join(this.here, 'started'), '')
    return supervisor
  }

  private async whyNot(id: string, engine: Engine): Promise<string> {
    const image = this.attempt.plan.container?.image ?? ''
    const missing = join(this.here, 'missing')
    if (existsSync(missing))
      return `image "${image}" lacks what a build needs:${readFileSync(missing, 'utf8').trimEnd()}`
    return `the supervisor did not start in image "${image}": ${(await engine.output(id)) || 'no reason was given'}`
  }
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Whether somebody else than this user owns anything there. */
async function hasForeign(directories: readonly string[]): Promise<boolean> {
  const looked = ['!', '-user', String(process.getuid?.()), '-print', '-quit']
  // What it cannot look into lies in a directory that it has named already.
  const said = await promisify(execFile)('find', [...directories, ...looked]).catch((error: unknown) => error)
  return (said as {stdout?: string}).stdout !== ''
}

/** The file that the supervisor overwrites in place, so that a full disk cannot swallow an exit status. */
function prepareStatus(dir: string): void {
  const path = join(dir, 'status')
  if (!existsSync(path)) writeFileSync(path, `${' '.repeat(24)}\n`)
}
