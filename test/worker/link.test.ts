// How a worker behaves at the door and on the line: refusals, versions, malformed frames, declined offers, the command line.
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {freshDir, plan, startWorker, step} from '../support/worker-process.ts'

test('a worker whose token is refused at the first call says so and exits with 3', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {token: 'wrong'})
  t.is(await worker.exited, 3)
  t.regex(worker.said(), /does not accept this worker's token/)
  await master.close()
})

test('a master of another protocol makes it exit with 2', async (t) => {
  const master = await ScriptedMaster.listen()
  master.welcoming = () => ({
    say: 'welcome',
    protocol: 99,
    master: 'new',
    now: 0,
    beatSeconds: 1,
    attempts: [],
  })
  const worker = startWorker(master)
  t.is(await worker.exited, 2)
  t.regex(worker.said(), /speaks protocol 99/)
  await master.close()
})

test('a worker that is not configured shows why, and tries again', async (t) => {
  const master = await ScriptedMaster.listen()
  master.welcoming = () => ({say: 'refused', code: 'unknown-worker', text: 'no worker named w1'})
  const worker = startWorker(master)
  await master.connectedOnce()
  master.welcoming = null
  await master.until(() => worker.said().includes('no worker named w1'), 'the reason')
  await master.connectedOnce(2)
  t.is(await worker.stop(), 0)
  await master.close()
})

test('something unknown is ignored, a malformed frame closes the line with 1007 and the worker comes again', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master)
  await master.connectedOnce()
  master.say({say: 'serenade', of: 'love'})
  master.offer('1', plan([step('true')]))
  await master.ended('1')
  t.is(master.hellos.length, 1)
  for (const [at, frame] of ['not JSON', '{"say":"applied"}', Buffer.from([1, 2, 3, 4, 5])].entries()) {
    master.raw(frame)
    await master.connectedOnce(at + 2)
  }
  t.regex(worker.said(), /link.malformed/)
  master.offer('2', plan([step('echo still here')]))
  t.is((await master.ended('2')).result, 'success')
  await worker.stop()
  await master.close()
})

test('a master that falls silent is given up for a new line', async (t) => {
  const master = await ScriptedMaster.listen()
  master.welcoming = () => ({
    say: 'welcome',
    protocol: 1,
    master: 'slow',
    now: 0,
    beatSeconds: 0.1,
    attempts: [],
  })
  const worker = startWorker(master)
  await master.connectedOnce()
  await master.until(() => master.heard.some(({say}) => say === 'beat'), 'a beat')
  t.pass()
  await worker.stop()
  await master.close()
})

test('offers beyond its means are declined with the reason, the same offer again is accepted again', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {args: ['--engine-socket', 'none', '--max-builds', '1']})
  await master.connectedOnce()
  const contained = plan([step('true')], {
    container: {image: 'x', memoryBytes: null, cpus: null, pids: null, network: null, user: null},
  })
  master.offer('1', contained)
  await master.until(
    () => master.heard.some((message) => message.say === 'decline' && message.code === 'engine'),
    'decline',
  )
  master.offer('2', plan([step('sleep 1')]))
  await master.until(
    () => master.heard.some((message) => message.say === 'accept' && message.attempt === '2'),
    'accept',
  )
  master.offer('2', plan([step('sleep 1')]))
  master.offer('3', plan([step('true')]))
  await master.until(
    () => master.heard.some((message) => message.say === 'decline' && message.code === 'full'),
    'decline',
  )
  await master.ended('2')
  t.is(master.heard.filter((message) => message.say === 'accept').length, 2)
  t.is(master.entries('2', 'stepStarted').length, 1)
  await worker.stop()
  await master.close()
})

test('an offer that cannot be written down is declined, and was never accepted', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const worker = startWorker(master, {stateDir})
  await master.connectedOnce()
  writeFileSync(join(stateDir, 'attempts', '1'), 'in the way of the directory')
  master.offer('1', plan([step('true')]))
  await master.until(
    () => master.heard.some((message) => message.say === 'decline' && message.code === 'broken'),
    'decline',
  )
  t.false(master.heard.some((message) => message.say === 'accept'))
  master.offer('2', plan([step('true')]))
  t.is((await master.ended('2')).result, 'success', 'the next one is taken')
  await worker.stop()
  await master.close()
})

test('a second worker on the same state directory is refused, naming the first', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const first = startWorker(master, {stateDir})
  await master.connectedOnce()
  const second = startWorker(master, {stateDir})
  t.is(await Promise.race([second.exited, master.connectedOnce(2)]), 2)
  t.regex(second.said(), new RegExp(`process number ${first.child.pid}`))
  await first.stop()
  await master.close()
})

test('everything wrong with the command line is said at once', async (t) => {
  const worker = startWorker(
    {url: 'ftp://x', token: ''},
    {args: ['--max-builds', 'many', '--min-free', 'some', '--label', 'x']},
  )
  t.is(await worker.exited, 2)
  for (const what of ['--master', '--max-builds', '--min-free', '--label', 'no token'])
    t.true(worker.said().includes(what), what)
})
