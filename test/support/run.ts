// What `npm test` does once everything is built: starts a throw-away PostgreSQL for the run where there is one, runs
// ava, shows each test as it ends, and last what was skipped and why, and `N passed, N failed`.
import {spawn} from 'node:child_process'
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {whyAbsent} from './parts.ts'
import {type Cluster, startCluster} from './cluster.ts'
import {countsLine, emptyTally, exitCode, hear, skipsLine, type Tally} from './tally.ts'

/** Runs ava with these arguments (sources are named as they lie, `test/x.test.ts`); answers the exit code. */
export async function runTests(args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-test-run-'))
  const skips = join(folder, 'skips')
  const postgresql = await startWhereInstalled()
  const env = {
    ...process.env,
    OSTLER_TEST_SKIPS: skips,
    ...(postgresql && {OSTLER_TEST_POSTGRES_URL: postgresql.url}),
  }
  try {
    const tally = await runAva(args.map(compiled), env)
    const line = skipsLine(existsSync(skips) ? readFileSync(skips, 'utf8') : '', tally.skipped)
    if (line) console.log(line)
    console.log(countsLine(tally))
    return exitCode(tally)
  } finally {
    await postgresql?.stop()
    rmSync(folder, {recursive: true, force: true})
  }
}

async function startWhereInstalled(): Promise<Cluster | null> {
  if (process.env['OSTLER_TEST_POSTGRES_URL'] || whyAbsent('postgresql') !== null) return null
  return startCluster()
}

function compiled(argument: string): string {
  const source = /^(?:\.\/)?(?:dist\/)?(test\/.*\.test)\.[tj]s$/.exec(argument)
  return source ? `dist/${source[1] ?? ''}.js` : argument
}

async function runAva(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const ava = spawn(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', '--tap', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Its own group: a test process that hangs outlives ava, and must end with it.
    detached: true,
  })
  const stop = stopWith((signal) => ava.kill(signal))
  let tally = emptyTally
  let shownAt = Date.now()
  const show = (line: string) => {
    console.log(line)
    shownAt = Date.now()
  }
  // Somebody watches a log: a long test must not look like a hang.
  const heartbeat = setInterval(() => {
    if (Date.now() - shownAt > 20_000) show(`  ... still running: ${countsLine(tally)} so far`)
  }, 5000)
  const ended = new Promise<boolean>((resolve) => {
    ava.on('error', () => {
      resolve(false)
    })
    ava.on('close', (code) => {
      resolve(code === 0)
    })
  })
  for await (const line of createInterface({input: ava.stdout})) {
    const heard = hear(tally, line)
    tally = heard.tally
    if (heard.show !== null) show(heard.show)
  }
  const succeeded = await ended
  endGroup(ava.pid)
  clearInterval(heartbeat)
  stop()
  return {...tally, succeeded}
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // Nothing is left of it.
  }
}

/** Passes a wish to stop on to ava, so that its tests' teardowns run; returns how to end that. */
function stopWith(pass: (signal: NodeJS.Signals) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, pass)
  return () => {
    for (const signal of signals) process.off(signal, pass)
  }
}
