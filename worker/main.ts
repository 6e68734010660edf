// The worker, assembled: what it holds from before, the engine, the line to the master, and the signals that end it.
import {Attempts} from './commands/attempts.ts'
import {hands} from './commands/perform.ts'
import {readOptions, type WorkerOptions} from './options.ts'
import {protocolNewest, protocolOldest, type Hello} from './protocol/messages.ts'
import {keepTold} from './standing.ts'
import {fileTrouble} from './systemd/file-trouble.ts'
import {systemd} from './systemd/systemd.ts'
import {whyNoHoles} from './world/cut.ts'
import {descriptorShortage} from './world/descriptors.ts'
import {Disk} from './world/disk.ts'
import type {Engine} from './world/engine.ts'
import {findEngine} from './world/find-engine.ts'
import {Link} from './world/link.ts'
import {ownVersion} from './world/place.ts'
import {readIdentity} from './world/identity.ts'
import {note, refuse, warn} from './world/print.ts'
import type {SpoolRule} from './world/quota.ts'
import {openState} from './world/state.ts'
import {HostSupervisors} from './world/supervisor.ts'
import {Workspaces} from './world/workspaces.ts'

const lastWordsMs = 5000
const tidyEveryMs = 3_600_000
/** For how much longer, in milliseconds, a worker that drains asks systemd to wait, again and again. */
const drainStepMs = 60_000

/** Runs a worker until it is told to stop; gives back the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv)
  if (typeof options === 'number') return options
  try {
    return await run(options)
  } catch (error) {
    refuse([fileTrouble(error, options.stateDir) ?? (error as Error).stack ?? String(error)])
    return 1
  } finally {
    await systemd().close()
  }
}

async function run(options: WorkerOptions): Promise<number> {
  const {stateDir, name, masters, token, maxBuilds, minFreeBytes} = options
  const state = openState(stateDir)
  if ('problem' in state) return (refuse([state.problem]), 2)

  const search = await findEngine(options.engineSocket)
  const {engine} = search
  const whyNoEngine = 'why' in search ? search.why : ''
  const supervisors = new HostSupervisors(stateDir, state.script)
  const workspaces = new Workspaces(stateDir)
  const disk = new Disk(stateDir)
  const workspacePath = (workspace: string): string => workspaces.path(workspace)
  const place = {
    worker: name,
    state: state.id,
    script: state.script,
    supervisors,
    engine,
    whyNoEngine,
    workspacePath,
  }
  let end: (code: number) => void = () => undefined
  const link: Link = new Link({
    masters,
    token,
    hello: () => helloOf(options, {instance: state.id, engine, disk, attempts}),
    freeBytes: () => disk.freeBytes(),
    spool: () => attempts.spool(),
    hindrance: () => attempts.hindrance(),
    identity: () => readIdentity(options.identity),
    onWelcome: (welcome) => attempts.welcome(welcome),
    onMessage: (message) => attempts.hear(message),
    onHopeless: (code) => end(code),
  })
  const store = {master: () => link.master, token, identity: () => readIdentity(options.identity)}
  const spool = await spoolRule(options)
  const capacity = {maxBuilds, minFreeBytes, spool, shortage: descriptorShortage}
  const attempts = new Attempts(stateDir, {place, store, hands}, workspaces, disk, capacity)
  attempts.find()
  const swept = (await engine?.sweep(state.id, attempts.fences)) ?? 0
  note('worker.start', {
    name,
    masters: masters.join(' '),
    stateDir,
    engine: engine?.name ?? 'none',
    ...('at' in search ? {at: search.at} : {why: search.why}),
    held: attempts.fences.size,
    swept,
    spoolLimit: options.spoolBytes,
    spoolFull: spool.policy,
  })

  const code = await new Promise<number>((resolve) => {
    attempts.goOn(link)
    link.dial()
    keepTidy(workspaces, options.keepWorkspacesMs)
    systemd().ready()
    const quiet = keepTold(link, attempts, maxBuilds)
    end = (code) => {
      quiet()
      systemd().status(link.trouble)
      resolve(code)
    }
    let [asked, isOver] = [0, false]
    const stop = async (endsBuilds: boolean): Promise<void> => {
      if (++asked === 1 && options.drains && !endsBuilds)
        await attempts.drained(() => systemd().extend(drainStepMs))
      if (isOver) return
      isOver = true
      note('worker.stop', {held: attempts.fences.size, endsBuilds})
      quiet()
      systemd().stopping()
      attempts.drain()
      if (endsBuilds) await attempts.endAll(lastWordsMs)
      link.close()
      resolve(0)
    }
    process.on('SIGTERM', () => void stop(false))
    process.once('SIGINT', () => void stop(true))
  })
  await engine?.settled()
  await supervisors.stopIdle()
  state.close()
  return code
}

/** Removes workspaces that nobody used for long, now and every hour; a stop does not wait for it. */
function keepTidy(workspaces: Workspaces, keepMs: number | null): void {
  if (keepMs === null) return
  const tidy = async (): Promise<void> => {
    const {removed, left} = await workspaces.removeUnused(keepMs, Date.now())
    if (removed.length > 0) note('workspaces.removed', {names: removed.join(' ')})
    for (const [name, why] of left) warn('workspace.left', {name, why, remedy: 'remove it as root'})
  }
  void tidy()
  setInterval(() => void tidy(), tidyEveryMs).unref()
}

/** Each build has its part of the spool, so that one that prints much costs no other its log. */
async function spoolRule({stateDir, spoolBytes, spoolFull, maxBuilds}: WorkerOptions): Promise<SpoolRule> {
  const shareBytes = Math.floor(spoolBytes / maxBuilds)
  if (spoolFull === 'block') return {shareBytes, policy: 'block'}
  const why = await whyNoHoles(stateDir)
  if (why === null) return {shareBytes, policy: 'truncate'}
  warn('spool.block', {
    why,
    remedy: 'a full spool holds its step; put --state-dir on ext4, XFS, Btrfs or tmpfs',
  })
  return {shareBytes, policy: 'block'}
}

function helloOf(
  {name, labels, maxBuilds, minFreeBytes}: WorkerOptions,
  {
    instance,
    engine,
    disk,
    attempts,
  }: {instance: string; engine: Engine | null; disk: Disk; attempts: Attempts},
): Hello {
  return {
    say: 'hello',
    protocols: [protocolOldest, protocolNewest],
    worker: name,
    instance,
    version: ownVersion(),
    labels: {...labels},
    maxBuilds,
    engine: engine?.name ?? null,
    now: Date.now(),
    freeBytes: disk.freeBytes(),
    minFreeBytes,
    spool: attempts.spool(),
    hindered: attempts.hindrance(),
    attempts: attempts.standing(),
  }
}
