// Tests of container builds, each on Docker and on Podman: a scripted master with one real worker on the engine.
import {readdirSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import Docker from 'dockerode'
import {needs} from './needs.ts'
import {engineSocket, podmanSocket, type EnginePart} from './parts.ts'
import {ScriptedMaster} from './scripted-master.ts'
import {freshDir, plan, startWorker, type WorkerProcess} from './worker-process.ts'

/** A container engine of this machine. */
export interface TestEngine {
  readonly name: 'Docker' | 'Podman'
  readonly socket: string
  readonly api: Docker
}

interface Kind {
  readonly name: TestEngine['name']
  readonly parts: readonly EnginePart[]
  readonly group: EnginePart
  readonly socket: () => string | null
}

const kinds: readonly Kind[] = [
  {name: 'Docker', parts: ['docker', 'images'], group: 'docker-group', socket: engineSocket},
  {name: 'Podman', parts: ['podman'], group: 'podman-group', socket: podmanSocket},
]

const engines = new Map<string, TestEngine>()

function engineOf({name, socket}: Kind): TestEngine {
  const path = socket() ?? ''
  const engine = engines.get(name) ?? {name, socket: path, api: new Docker({socketPath: path})}
  engines.set(name, engine)
  return engine
}

/** Runs the test once per engine, while no other test of the file runs. */
export function eachEngine(
  title: string,
  run: (t: ExecutionContext, engine: TestEngine) => Promise<unknown>,
): void {
  for (const kind of kinds)
    needs(...kind.parts).serial(`${title} (${kind.name})`, (t) => run(t, engineOf(kind)))
}

/** The same with a worker at hand that all such tests of the file share. */
export function eachStable(
  title: string,
  run: (t: ExecutionContext, stable: Stable) => Promise<unknown>,
): void {
  closeShared()
  eachEngine(title, async (t, engine) => run(t, await (shared.get(engine) ?? share(engine))))
}

/** The same with a worker of its own that is an ordinary user in the group of the engine's socket. */
export function eachOrdinary(
  title: string,
  run: (t: ExecutionContext, stable: Stable) => Promise<unknown>,
): void {
  for (const kind of kinds)
    needs(...kind.parts, kind.group).serial(`${title} (${kind.name})`, async (t) => {
      const engine = engineOf(kind)
      const stable = await Stable.open(engine, {uid: ordinaryUid, gid: statSync(engine.socket).gid})
      t.teardown(() => stable.close())
      await run(t, stable)
    })
}

/** A number without a name on any machine. */
export const ordinaryUid = 31_234

const shared = new Map<TestEngine, Promise<Stable>>()

function share(engine: TestEngine): Promise<Stable> {
  const opened = Stable.open(engine)
  shared.set(engine, opened)
  return opened
}

let willClose = false

/** Once for a file that shares any. */
function closeShared(): void {
  if (willClose) return
  willClose = true
  test.after.always(async () => {
    for (const opened of shared.values()) await (await opened).close()
  })
}

/** A scripted master and one worker on one engine. */
export class Stable {
  readonly engine: TestEngine
  readonly master: ScriptedMaster
  readonly stateDir = freshDir()
  worker: WorkerProcess
  private readonly as: {uid: number; gid: number} | undefined
  private fences = 0

  private constructor(engine: TestEngine, master: ScriptedMaster, as?: {uid: number; gid: number}) {
    this.engine = engine
    this.master = master
    this.as = as
    this.worker = this.started()
  }

  static async open(engine: TestEngine, as?: {uid: number; gid: number}): Promise<Stable> {
    const stable = new Stable(engine, await ScriptedMaster.listen(), as)
    await stable.master.connectedOnce()
    return stable
  }

  /** Starts the worker again on the same state. */
  restart(): void {
    this.worker = this.started()
  }

  /** Offers a build of these steps, in a workspace of its own unless one is named; answers its fence. */
  offer(steps: Parameters<typeof plan>[0], special: Parameters<typeof plan>[1], secrets = {}): string {
    const fence = String(++this.fences)
    this.master.offer(fence, plan(steps, {build: this.stateDir, workspace: `w${fence}`, ...special}), secrets)
    return fence
  }

  /** The same, to its end. */
  async built(...build: Parameters<Stable['offer']>) {
    const fence = this.offer(...build)
    return {fence, end: await this.master.ended(fence, 60_000)}
  }

  /** The containers that the worker has made and that are still there. */
  async containers(): Promise<Docker.ContainerInfo[]> {
    const filters = {label: [`ostler.state=${this.state}`]}
    return this.engine.api.listContainers({all: true, filters})
  }

  /** The random name of its state directory, which labels its containers. */
  get state(): string {
    return readFileSync(join(this.stateDir, 'id'), 'utf8').trim()
  }

  /** How many attempts it holds. */
  attempts(): number {
    return readdirSync(join(this.stateDir, 'attempts')).length
  }

  async close(): Promise<void> {
    await this.worker.stop()
    await this.master.close()
  }

  private started(): WorkerProcess {
    const {master, stateDir, as, engine} = this
    return startWorker(master, {stateDir, args: ['--engine-socket', engine.socket], ...(as && {as})})
  }
}
