// A build goes on, exactly once, whatever happens to the worker's process, the line or the master.
import {execFileSync, spawnSync} from 'node:child_process'
import {existsSync, readdirSync, readFileSync, renameSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {freshDir, plan, startWorker, step} from '../support/worker-process.ts'

const counting = (marker: string, turns = 20): string =>
  `echo ran >>${marker}; i=0; while [ $i -lt ${turns} ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done; echo "end"; exit 3`
const counted = (turns = 20): string =>
  `${Array.from({length: turns}, (_, at) => `line ${at + 1}\n`).join('')}end\n`

test.serial(
  'a worker killed during a step and started again goes on with it: nothing is lost, doubled or run twice',
  async (t) => {
    const master = await ScriptedMaster.listen()
    const stateDir = freshDir()
    const marker = join(freshDir(), 'ran')
    const first = startWorker(master, {stateDir})
    await master.connectedOnce()
    master.offer('1', plan([step(counting(marker)), step('echo after', {name: 'b', alwaysRun: true})]), {})
    await master.until(() => master.log('1').includes('line 4'), 'output')
    await first.stop('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const second = startWorker(master, {stateDir})
    const {result} = await master.ended('1')
    t.is(result, 'failure')
    t.is(master.log('1'), counted())
    t.is(master.log('1', 1), 'after\n')
    t.deepEqual(
      master.entries('1', 'stepEnded').map(({outcome}) => outcome),
      [
        {outcome: 'exited', code: 3},
        {outcome: 'exited', code: 0},
      ],
    )
    t.is(readFileSync(marker, 'utf8'), 'ran\n')
    t.deepEqual(master.told('1').faults, [])
    await master.until(
      () => readdirSync(join(stateDir, 'attempts')).length === 0,
      'the attempt to be forgotten',
    )
    await second.stop()
    await master.close()
  },
)

test.serial('a step that ended while no worker ran keeps its output and its exit status', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const first = startWorker(master, {stateDir})
  await master.connectedOnce()
  master.offer('1', plan([step(counting('/dev/null', 10))]))
  await master.until(() => master.log('1').includes('line 2'), 'output')
  await first.stop('SIGKILL')
  await new Promise((resolve) => setTimeout(resolve, 900))
  const second = startWorker(master, {stateDir})
  await master.ended('1')
  t.is(master.log('1'), counted(10))
  t.like(master.entry('1', 'stepEnded')?.outcome, {outcome: 'exited', code: 3})
  await second.stop()
  await master.close()
})

test.serial(
  'a step that a worker gave up and killed before it was itself killed has not failed',
  async (t) => {
    const master = await ScriptedMaster.listen()
    const stateDir = freshDir()
    const first = startWorker(master, {stateDir})
    await master.connectedOnce()
    master.offer('1', plan([step(counting('/dev/null', 1000))]))
    await master.until(() => master.log('1').includes('line 2'), 'output')
    await first.stop('SIGKILL')
    const attempt = join(stateDir, 'attempts', '1')
    const group = Number(readFileSync(join(attempt, '0.1.pid'), 'utf8'))
    renameSync(join(attempt, '0.1.pid'), join(attempt, '0.1.left'))
    process.kill(-group, 'SIGKILL')
    const second = startWorker(master, {stateDir})
    t.is((await master.ended('1')).result, 'retry')
    await second.stop()
    await master.close()
  },
)

test.serial('however often and whenever a worker is killed, the build comes to the same end', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  let worker = startWorker(master, {stateDir})
  await master.connectedOnce()
  const steps = Array.from({length: 12}, (_, at) =>
    step(`echo "from ${at}"; sleep 0.1; echo "to ${at}"`, {name: `s${at}`}),
  )
  master.offer('1', plan(steps))
  await master.until(() => master.entry('1', 'stepStarted'), 'the first step')
  for (let kills = 0; kills < 6; kills++) {
    await new Promise((resolve) => setTimeout(resolve, 37 * kills))
    await worker.stop('SIGKILL')
    worker = startWorker(master, {stateDir})
    const hellos = master.hellos.length
    await master.until(() => master.hellos.length > hellos, 'hello')
  }
  t.is((await master.ended('1')).result, 'success')
  for (const at of steps.keys()) t.is(master.log('1', at), `from ${at}\nto ${at}\n`)
  t.is(master.entries('1', 'stepStarted').length, 12)
  t.deepEqual(master.told('1').faults, [])
  await worker.stop()
  await master.close()
})

test.serial('a step whose supervisor is gone makes the build a retry', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const first = startWorker(master, {stateDir})
  await master.connectedOnce()
  master.offer('1', plan([step('echo up; exec sleep 76543'), step('true', {name: 'b', alwaysRun: true})]))
  await master.until(() => master.log('1').includes('up'), 'output')
  await first.stop('SIGKILL')
  for (const pid of processesWith(join(stateDir, 'supervise'))) process.kill(pid, 'SIGKILL')
  const second = startWorker(master, {stateDir})
  t.is((await master.ended('1')).result, 'retry')
  t.like(master.entry('1', 'stepEnded'), {result: 'retry', outcome: {outcome: 'broken'}})
  t.is(execFileSync('sh', ['-c', 'ps -eo args | grep -cxF "sleep 76543" || true']).toString().trim(), '0')
  await second.stop()
  await master.close()
})

test.serial('while the master is away the build goes on, and all is told when it is back', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master)
  await master.connectedOnce()
  const marker = join(freshDir(), 'done')
  master.offer(
    '1',
    plan([step(counting('/dev/null', 10)), step(`touch ${marker}`, {name: 'b', alwaysRun: true})]),
  )
  await master.until(() => master.log('1').includes('line 2'), 'output')
  await master.close()
  const end = Date.now() + 10_000
  while (!existsSync(marker) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50))
  await master.open()
  await master.ended('1')
  t.is(master.log('1'), counted(10))
  t.deepEqual(master.told('1').faults, [])
  await worker.stop()
  await master.close()
})

test.serial('entries whose acknowledgement was lost are sent again, and none is missing', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master)
  await master.connectedOnce()
  master.isMute = true
  master.welcoming = ({attempts}) => ({
    say: 'welcome', protocol: 1, master: 'scripted', now: 0, beatSeconds: 1, attempts: attempts.map(({attempt}) => ({attempt, applied: 0, verdict: 'continue'})),
  }) // prettier-ignore
  master.offer('1', plan([step(counting('/dev/null', 10))]))
  await master.until(() => master.log('1').includes('line 3'), 'output')
  master.cut()
  await master.connectedOnce(2)
  await master.ended('1')
  t.true(master.told('1').repeated > 0)
  t.is(master.log('1'), counted(10))
  t.deepEqual(master.told('1').faults, [])
  await worker.stop()
  await master.close()
})

test.serial('an attempt that is stopped is ended and forgotten, without a last word', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const worker = startWorker(master, {stateDir})
  await master.connectedOnce()
  master.offer('1', plan([step('echo up; exec sleep 65432'), step('true', {name: 'b', alwaysRun: true})]))
  await master.until(() => master.log('1').includes('up'), 'output')
  master.say({say: 'stop', attempt: '1', reason: 'not yours'})
  await master.until(
    () => readdirSync(join(stateDir, 'attempts')).length === 0,
    'the attempt to be forgotten',
  )
  t.is(execFileSync('sh', ['-c', 'ps -eo args | grep -cxF "sleep 65432" || true']).toString().trim(), '0')
  t.is(master.entry('1', 'buildEnded'), undefined)
  master.offer('2', plan([step('echo next')]))
  t.is((await master.ended('2')).result, 'success')
  await worker.stop()
  await master.close()
})

test.serial(
  'a worker that is told to end by a person ends its builds, to be tried again, and leaves nothing running',
  async (t) => {
    const master = await ScriptedMaster.listen()
    const stateDir = freshDir()
    const worker = startWorker(master, {stateDir})
    await master.connectedOnce()
    master.offer('1', plan([step('echo up; exec sleep 54321')]))
    await master.until(() => master.log('1').includes('up'), 'output')
    t.is(await worker.stop('SIGINT'), 0)
    t.is((await master.ended('1')).result, 'retry')
    t.deepEqual(processesWith(stateDir), [])
    await master.close()
  },
)

test.serial('SIGTERM leaves the build running for the next start', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const first = startWorker(master, {stateDir})
  await master.connectedOnce()
  master.offer('1', plan([step(counting('/dev/null', 10))]))
  await master.until(() => master.log('1').includes('line 2'), 'output')
  t.is(await first.stop('SIGTERM'), 0)
  const second = startWorker(master, {stateDir})
  await master.ended('1')
  t.is(master.log('1'), counted(10))
  await second.stop()
  await master.close()
})

test.serial('two hundred megabytes without a line feed pass through in flat memory', async (t) => {
  const master = await ScriptedMaster.listen()
  master.keepsLogs = false
  // Room for all of it: else the step may be held for a while, and its log says so.
  const args = ['--engine-socket', 'none', '--spool-limit', '8GiB']
  const worker = startWorker(master, {args})
  await master.connectedOnce()
  master.offer('1', plan([step('head -c 200000000 /dev/zero')], {secrets: ['s']}), {s: 'something secret'})
  await master.ended('1', 60_000)
  t.is(master.entry('1', 'logEnded')?.bytes, 200_000_000)
  const [, peak] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${worker.child.pid}/status`, 'utf8')) ?? []
  t.true(Number(peak) < 200_000, `${peak} kB`)
  await worker.stop()
  await master.close()
})

/** The numbers of the processes whose command line has this text. */
function processesWith(text: string): number[] {
  const {stdout} = spawnSync('pgrep', ['-f', text])
  return stdout
    .toString()
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}
