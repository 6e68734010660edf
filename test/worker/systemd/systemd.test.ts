import {spawn} from 'node:child_process'
import {closeSync, fstatSync, openSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import test, {type ExecutionContext} from 'ava'
import {journalEntry} from '../../../worker/systemd/entry.ts'
import {isJournalStream, oneLine, Systemd} from '../../../worker/systemd/systemd.ts'
import {Datagrams} from '../../support/datagrams.ts'

async function opened(t: ExecutionContext, more: NodeJS.ProcessEnv = {}) {
  const [manager, journal] = [await Datagrams.listen(t), await Datagrams.listen(t)]
  const systemd = new Systemd({NOTIFY_SOCKET: manager.path, ...more}, process.pid, journal.path)
  t.teardown(() => systemd.close())
  return {manager, journal, systemd}
}

test('a service tells systemd that it is ready, how it is, that it lives, reloads and stops', async (t) => {
  const {manager, systemd} = await opened(t)
  systemd.status('2 workers')
  systemd.ready()
  systemd.alive()
  systemd.reloading()
  systemd.ready()
  systemd.stopping()
  await manager.until(/STOPPING/)
  t.deepEqual(
    manager.texts.map((text) => text.replace(/USEC=\d+/, 'USEC=n')),
    ['STATUS=2 workers', 'READY=1', 'WATCHDOG=1', 'RELOADING=1\nMONOTONIC_USEC=n', 'READY=1', 'STOPPING=1'],
  )
})

test('a status is told once, in one line', async (t) => {
  const {manager, systemd} = await opened(t)
  systemd.status('broken:\n  line 3\u0007')
  systemd.status('broken:\n  line 3')
  systemd.stopping()
  await manager.until(/STOPPING/)
  t.deepEqual(manager.texts, ['STATUS=broken: line 3', 'STOPPING=1'])
  t.is(oneLine('x'.repeat(1000)).length, 400)
})

test('an entry of the journal has a field for each fact, whatever is in it', async (t) => {
  const {journal, systemd} = await opened(t)
  const facts = {build: '42', freeBytes: 7, why: 'two\nlines', plan: {a: 1}, step: null}
  t.true(systemd.journal({program: 'ostler-worker', priority: 4, text: 'attempt.over build=42', facts}))
  const entry = await journal.until(/OSTLER_BUILD/)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(9n)
  t.is(
    entry,
    `MESSAGE=attempt.over build=42\nPRIORITY=4\nSYSLOG_IDENTIFIER=ostler-worker\nSYSLOG_PID=${String(process.pid)}\n` +
      `OSTLER_BUILD=42\nOSTLER_FREE_BYTES=7\nOSTLER_WHY\n${length.toString()}two\nlines\nOSTLER_PLAN={"a":1}\n`,
  )
})

test('a field that is too long for a datagram is cut', (t) => {
  const told = {program: 'p', priority: 6, text: 'x'.repeat(300_000), facts: {output: 'y'.repeat(300_000)}}
  t.true(journalEntry(told, 1).length < 100_000)
})

test('without a journal the words go elsewhere, and without a manager nothing is started', async (t) => {
  const systemd = new Systemd({}, process.pid, null)
  t.false(systemd.journal({program: 'p', priority: 6, text: 'x', facts: {}}))
  systemd.ready()
  systemd.status('x')
  await systemd.close()
})

test('a relay that was killed is started again, and what must not be lost is said again', async (t) => {
  const {manager, systemd} = await opened(t)
  systemd.status('well')
  systemd.ready()
  await manager.until(/READY/)
  const relay = (systemd as unknown as {relay: {child: {pid: number}}}).relay.child.pid
  process.kill(relay, 'SIGKILL')
  const alive = setInterval(() => systemd.alive(), 50)
  await manager.until(/READY=1\nSTATUS=well/)
  clearInterval(alive)
  t.is(manager.texts.filter((text) => text.includes('READY')).length, 2)
})

test('a manager and a journal that do not listen hold nobody up', async (t) => {
  const systemd = new Systemd({NOTIFY_SOCKET: '/nowhere/at/all'}, process.pid, '/nowhere/either')
  for (let n = 0; n < 1000; n++)
    systemd.journal({program: 'p', priority: 6, text: 'x'.repeat(10_000), facts: {}})
  systemd.ready()
  await systemd.close()
  t.pass()
})

test('where there is no Perl, systemd-notify is asked', async (t) => {
  const manager = await Datagrams.listen(t)
  const module = fileURLToPath(new URL('../../../worker/systemd/systemd.js', import.meta.url))
  const script = `
    import {systemd} from ${JSON.stringify(module)}
    const [one, before] = [systemd(), process.env.PATH]
    process.env.PATH = '/nowhere'
    one.ready()
    setTimeout(() => (process.env.PATH = before, one.status('by command')), 200)
    setTimeout(() => undefined, 1500)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: {...process.env, NOTIFY_SOCKET: manager.path},
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await new Promise((resolve) => child.on('exit', resolve))
  t.regex(manager.texts.join('\n'), /STATUS=by command/)
})

test('the watchdog is only of the process that it names', (t) => {
  const of = (environment: NodeJS.ProcessEnv) => new Systemd(environment, 7, null).watchdogMs
  t.is(of({WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7'}), 30_000)
  t.is(of({WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8'}), null)
  t.is(of({WATCHDOG_USEC: '30000000'}), 30_000)
  t.is(of({}), null)
})

test('standard error is the journal when it is the very stream that systemd named', (t) => {
  const file = openSync('/dev/null', 'r')
  const {dev, ino} = fstatSync(file)
  t.true(isJournalStream(`${String(dev)}:${String(ino)}`, file))
  t.false(isJournalStream(`${String(dev)}:${String(ino + 1)}`, file))
  t.false(isJournalStream(undefined, file))
  closeSync(file)
  t.false(isJournalStream('1:2', 987_654))
})
