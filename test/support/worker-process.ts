// A real worker process for tests, and plans for it.
import {spawn, type ChildProcess} from 'node:child_process'
import {chownSync, mkdtempSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {Plan, PlanStep} from '../../worker/protocol/plan.ts'

const main = fileURLToPath(new URL('../../worker/main.js', import.meta.url))

export interface WorkerProcess {
  readonly child: ChildProcess
  /** The exit code, or the signal's name. */
  readonly exited: Promise<number | string>
  said(): string
  stop(signal?: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | string>
}

export interface WorkerSetup {
  readonly stateDir?: string
  readonly token?: string
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
  /** As this user instead of ours; what it needs of our files is read before. */
  readonly as?: {readonly uid: number; readonly gid: number}
}

export const freshDir = (): string => mkdtempSync(join(tmpdir(), 'ostler-worker-'))

/** Starts a worker that dials the master. */
export function startWorker(
  master: {readonly url: string; readonly token: string},
  setup: WorkerSetup = {},
): WorkerProcess {
  const {
    stateDir = freshDir(),
    token = master.token,
    args = ['--engine-socket', 'none'],
    env = {},
    as,
  } = setup
  if (as) chownSync(stateDir, as.uid, as.gid)
  const become = as ? `process.setgroups([]), process.setgid(${as.gid}), process.setuid(${as.uid}), ` : ''
  const run = `import(${JSON.stringify(main)}).then(({main}) => (${become}main(process.argv.slice(1)))).then((code) => process.exit(code))`
  const child = spawn(
    process.execPath,
    [
      '-e',
      run,
      '--',
      '--master',
      master.url,
      '--name',
      'w1',
      '--state-dir',
      stateDir,
      '--max-builds',
      '32',
      '--min-free',
      '1MiB',
      ...args,
    ],
    {env: {...process.env, OSTLER_WORKER_TOKEN: token, ...env}, stdio: ['ignore', 'inherit', 'pipe']},
  )
  let said = ''
  child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-200_000)))
  const exited = new Promise<number | string>((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? signal ?? -1)),
  )
  return {
    child,
    exited,
    said: () => said,
    stop: (signal = 'SIGINT') => (child.kill(signal), exited),
  }
}

/** A step that runs a script, with nothing special about it but what is given. */
export function step(script: string, special: Partial<PlanStep> = {}): PlanStep {
  return {
    name: special.name ?? 'step',
    kind: 'shell',
    command: {command: 'spawn', argv: null, script: [script], workdir: [''], capture: null, junit: []},
    env: {},
    when: null,
    alwaysRun: false,
    haltOnFailure: true,
    flunkOnFailure: true,
    warnOnFailure: false,
    silenceMs: null,
    maxMs: null,
    retry: {times: 0, delayMs: 0, on: []},
    warningPattern: null,
    ...special,
  }
}

/** A plan of these steps, on the host. */
export function plan(steps: readonly PlanStep[], special: Partial<Plan> = {}): Plan {
  return {
    build: '1',
    builder: 'b',
    number: 1,
    workspace: 'b',
    sourceStamps: [],
    properties: {},
    env: {},
    container: null,
    timeoutMs: null,
    intGraceMs: 300,
    termGraceMs: 300,
    secrets: [],
    steps: [...steps],
    ...special,
  }
}
