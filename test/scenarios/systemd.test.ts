// What master and worker, as real processes, tell systemd: through a socket that stands in for its own.
import {mkdtempSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {freePort, Process} from '../../scripts/processes.ts'
import {Datagrams} from '../support/datagrams.ts'
import {System} from '../support/system.ts'

const config = () =>
  JSON.stringify({
    workers: [{name: 'w1'}],
    builders: [
      {name: 'b', steps: [{kind: 'shell', name: 'work', command: 'until [ -e go ]; do sleep 0.1; done'}]},
    ],
    schedulers: [{name: 'now', kind: 'force', builders: ['b']}],
  })

/** Ctrl+C: the worker ends, and its builds with it. */
function endBuilds(system: System): Promise<string> {
  const worker = system.worker('w1')
  worker.child.kill('SIGINT')
  return worker.ended
}

test('a master says when it serves, what it does, that it reloads, and keeps its watchdog quiet', async (t) => {
  const manager = await Datagrams.listen(t)
  const system = await System.start(t, {
    config,
    env: {NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '2000000'},
    workers: ['w1'],
  })
  await manager.until(/^READY=1/)
  await manager.until(/^WATCHDOG=1/)
  await manager.until(/^STATUS=1 worker, 0 building, 0 waiting; the embedded database$/)
  await system.force('now')
  await system.force('now')
  await manager.until(/^STATUS=1 worker, 1 building, 1 waiting; the embedded database$/)

  system.configure('nonsense: [')
  manager.heard.length = 0
  system.master.process.child.kill('SIGHUP')
  await manager.until(/^RELOADING=1\nMONOTONIC_USEC=\d+$/)
  await manager.until(/^READY=1/)
  await manager.until(
    /^STATUS=unwell: the configuration is refused and the last good one is in force: .*ostler\.yaml:1:/,
  )
  system.configure(config())
  system.master.process.child.kill('SIGHUP')
  await manager.until(/^STATUS=1 worker/)
  await endBuilds(system)
  t.is(await system.master.process.stop(), 'exit 0')
  await manager.until(/^STOPPING=1/)
})

test('a worker says whom it works for, and whom it looks for', async (t) => {
  const manager = await Datagrams.listen(t)
  const system = await System.start(t, {config})
  await system.startWorker({name: 'w1', env: {NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '2000000'}})
  const {url} = system.master
  await manager.until(/^READY=1/)
  await manager.until(/^WATCHDOG=1/)
  await manager.until(new RegExp(`^STATUS=connected to ${url}, 0 of 1 builds$`))
  await system.force('now')
  await manager.until(new RegExp(`^STATUS=connected to ${url}, 1 of 1 builds$`))
  await system.master.process.stop()
  await manager.until(new RegExp(`^STATUS=not connected: ${url}: .*ECONNREFUSED.*, 1 of 1 builds$`))
  t.is(await endBuilds(system), 'exit 0')
  await manager.until(/^STOPPING=1/)
})

test('a worker that is to drain takes nothing new and ends with its last build', async (t) => {
  const manager = await Datagrams.listen(t)
  const system = await System.start(t, {config})
  const worker = await system.startWorker({
    name: 'w1',
    more: ['--stop', 'drain', '--max-builds', '2'],
    env: {NOTIFY_SOCKET: manager.path},
  })
  const running = await system.force('now')
  await manager.until(/1 of 2 builds/)
  worker.child.kill('SIGTERM')
  await manager.until(
    /^STATUS=connected to .*, 1 of 2 builds; takes no new ones: it stops when its builds are over/,
  )
  await manager.until(/^EXTEND_TIMEOUT_USEC=60000000/)
  const waiting = await system.force('now')
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.is(worker.how, null)
  writeFileSync(join(system.folder, 'worker-w1', 'workspaces', 'b', 'go'), '')
  t.is(await worker.ended, 'exit 0')
  const [build] = await system.builds(running)
  t.is(build?.result, 'success')
  const {requests} = await system.api.get<{requests: {state: string}[]}>(`/buildsets/${waiting}`)
  t.is(requests[0]?.state, 'pending')
})

interface Failing {
  readonly truth: string
  readonly args: (folder: string, port: number) => readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly says: RegExp
}

const good = (folder: string, port: number) => [
  'master', '--config', join(folder, 'good.yaml'), '--state-dir', join(folder, 'state'), '--listen', `127.0.0.1:${String(port)}`,
] // prettier-ignore

const failing: readonly Failing[] = [
  {
    truth: 'a port in use',
    args: good,
    says: /^STATUS=another program listens at 127\.0\.0\.1:\d+ \(EADDRINUSE\): stop it, or give this master another --listen/,
  },
  {
    truth: 'a port for root only, or an address of another machine',
    args: (folder, port) => [...good(folder, port).slice(0, -1), '192.0.2.1:80'],
    says: /^STATUS=192\.0\.2\.1:80 is no address of this machine/,
  },
  {
    truth: 'a configuration that is broken and no earlier one',
    args: (folder, port) => [...good(folder, port), '--config', join(folder, 'bad.yaml'), '--last-good'],
    says: /^STATUS=the configuration is refused: .*bad\.yaml:1:1: .* \(and 1 more: ostler check-config lists them\)$/,
  },
  {
    truth: 'a state directory that is a file',
    args: (folder, port) => [...good(folder, port), '--state-dir', join(folder, 'good.yaml', 'state')],
    says: /^STATUS=.*good\.yaml.* lies below a file: choose another --state-dir/,
  },
  {
    truth: 'no database',
    args: good,
    env: {OSTLER_DATABASE_URL: 'postgres://ostler:hidden@127.0.0.1:1/ostler'},
    says: /^STATUS=waiting for PostgreSQL at postgres:\/\/ostler:\*\*\*@127\.0\.0\.1:1\/ostler: connect ECONNREFUSED/,
  },
  {
    truth: 'a worker without a token',
    args: (folder) => ['worker', '--master', 'http://127.0.0.1:1', '--name', 'w', '--state-dir', folder],
    says: /^STATUS=no token: give --token-file or OSTLER_WORKER_TOKEN/,
  },
  {
    truth: 'a worker that is told too little',
    args: (folder) => ['worker', '--state-dir', folder],
    says: /^STATUS=required option '--master <url>' not specified/,
  },
  {
    truth: 'a worker whose state directory is no directory',
    args: (folder) => [
      'worker',
      '--master',
      'http://127.0.0.1:1',
      '--name',
      'w',
      '--state-dir',
      join(folder, 'good.yaml'),
    ],
    env: {OSTLER_WORKER_TOKEN: 'x'},
    says: /^STATUS=.*good\.yaml/,
  },
]

for (const {truth, args, env, says} of failing)
  test.serial(`what keeps a start from succeeding is told in one line: ${truth}`, async (t) => {
    const manager = await Datagrams.listen(t)
    const folder = mkdtempSync(join(tmpdir(), 'ostler-start-'))
    writeFileSync(join(folder, 'good.yaml'), config())
    writeFileSync(join(folder, 'bad.yaml'), 'nonsense: 1\nworkers: 2\n')
    const port = await freePort()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
    t.teardown(() => other.close())
    const program = new Process('program', args(folder, port), {env: {NOTIFY_SOCKET: manager.path, ...env}})
    t.teardown(() => program.kill())
    t.regex(await manager.until(says, 40_000), says)
    t.notRegex(program.lines.join('\n'), /^\s+at /m)
    if (!env?.['OSTLER_DATABASE_URL']) t.regex(await program.ended, /^exit [12]$/)
  })

test('a refused configuration does not keep a master down that has a last good one', async (t) => {
  const manager = await Datagrams.listen(t)
  const system = await System.start(t, {config, workers: ['w1']})
  await system.master.process.stop()
  system.configure('builders: 7')
  const {url} = system.master
  const args = [
    'master', '--config', system.configFile, '--state-dir', join(system.folder, 'master'), '--listen', new URL(url).host,
  ] // prettier-ignore
  const without = new Process('master', args)
  t.is(await without.ended, 'exit 2')
  const again = new Process('master', [...args, '--last-good'], {env: {NOTIFY_SOCKET: manager.path}})
  t.teardown(() => again.stop())
  await manager.until(/^READY=1/)
  await manager.until(
    /^STATUS=unwell: the configuration is refused and the last good one is in force: .*ostler\.yaml:1:/,
  )
  const health = await fetch(`${url}/healthz`)
  t.is(health.status, 503)
  t.regex(await health.text(), /the last good one is in force/)
  t.regex(again.lines.join('\n'), /the last good one goes on until it is mended.*ostler\.yaml:1:1/s)
  await system.untilConnected('w1')
  const {items} = await system.api.get<{items: {name: string}[]}>('/builders')
  t.deepEqual(
    items.map(({name}) => name),
    ['b'],
  )
  system.configure(config())
  again.child.kill('SIGHUP')
  await manager.until(/^STATUS=1 worker/)
  t.is((await fetch(`${url}/healthz`)).status, 200)
})
