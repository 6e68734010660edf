// The worker, assembled: what it holds from before, the engine, the line to the master, and the signals that end it.
import {Attempts} from './commands/attempts.ts'
import {hands} from './commands/perform.ts'
import {readOptions, type WorkerOptions} from './options.ts'
import {protocolNewest, protocolOldest, type Hello} from './protocol/messages.ts'
import {Disk} from './world/disk.ts'
import {Engine} from './world/engine.ts'
import {Link} from './world/link.ts'
import {note} from './world/print.ts'
import {openState} from './world/state.ts'
import {HostSupervisors} from './world/supervisor.ts'
import {Workspaces} from './world/workspaces.ts'

const lastWordsMs = 5000

/** Runs a worker until it is told to stop; gives back the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv)
  if (typeof options === 'number') return options
  const {stateDir, name, master, token, maxBuilds, minFreeBytes} = options
  const state = openState(stateDir)
  if ('problem' in state) return (process.stderr.write(`ostler worker: ${state.problem}\n`), 2)

  const engine = options.engineSocket === 'none' ? null : await Engine.find(options.engineSocket)
  const supervisors = new HostSupervisors(stateDir, state.script)
  const workspaces = new Workspaces(stateDir)
  const disk = new Disk(stateDir)
  const workspacePath = (workspace: string): string => workspaces.path(workspace)
  const place = {worker: name, state: state.id, script: state.script, supervisors, engine, workspacePath}
  const tools = {place, store: {master, token}, hands}
  const attempts = new Attempts(stateDir, tools, workspaces, disk, {maxBuilds, minFreeBytes})
  attempts.find()
  const swept = (await engine?.sweep(state.id, attempts.fences)) ?? 0
  note('worker.start', {
    name,
    master,
    stateDir,
    engine: engine?.name ?? 'none',
    held: attempts.fences.size,
    swept,
  })

  const code = await new Promise<number>((resolve) => {
    const link = new Link({
      master,
      token,
      hello: () => helloOf(options, engine, disk, attempts),
      freeBytes: () => disk.freeBytes(),
      onWelcome: (welcome) => attempts.welcome(welcome),
      onMessage: (message) => attempts.hear(message),
      onHopeless: resolve,
    })
    attempts.goOn(link)
    link.dial()
    const stop = async (endsBuilds: boolean): Promise<void> => {
      note('worker.stop', {held: attempts.fences.size, endsBuilds})
      attempts.drain()
      if (endsBuilds) await attempts.endAll(lastWordsMs)
      link.close()
      resolve(0)
    }
    process.once('SIGTERM', () => void stop(false))
    process.once('SIGINT', () => void stop(true))
  })
  await supervisors.stopIdle()
  state.close()
  return code
}

function helloOf(
  {name, labels, maxBuilds, minFreeBytes}: WorkerOptions,
  engine: Engine | null,
  disk: Disk,
  attempts: Attempts,
): Hello {
  return {
    say: 'hello',
    protocols: [protocolOldest, protocolNewest],
    worker: name,
    version: '0.1.0',
    labels: {...labels},
    maxBuilds,
    engine: engine?.name ?? null,
    now: Date.now(),
    freeBytes: disk.freeBytes(),
    minFreeBytes,
    attempts: attempts.standing(),
  }
}
