// Output that no master takes: it is held to its limit on the disk, and what is left of it is told exactly.
import {spawnSync} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {existsSync, readFileSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {SpoolState} from '../../worker/protocol/messages.ts'
import {needs} from '../support/needs.ts'
import {container} from '../support/plans.ts'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {
  freshDir,
  plan,
  startWorker,
  step,
  type WorkerProcess,
  type WorkerSetup,
} from '../support/worker-process.ts'

const mebibyte = 1024 * 1024
const limit = 4 * mebibyte
/** What a disk use may be over the limit: what is printed between two looks, and the worker's own files. */
const slack = 28 * mebibyte
const marker =
  /\x1b\[2m--- (\d+) bytes in (\d+) lines of output are left out here: this worker keeps (\d+) bytes of a build at most ---\x1b\[0m\n/

const args = ['--engine-socket', 'none', '--max-builds', '1', '--spool-limit', String(limit)]
const blocking = [...args, '--spool-full', 'block']

/** A mebibyte of lines that nothing makes smaller. */
const block = Buffer.from(
  Array.from({length: 8192}, () => `${randomBytes(96).toString('base64').slice(0, 127)}\n`).join(''),
)
const blockFile = join(freshDir(), 'block')
writeFileSync(blockFile, block)

/** Prints the block so many times, with something done after each. */
const print = (times: number, then = '') =>
  `i=0; while [ $i -lt ${times} ]; do cat ${blockFile}; i=$((i+1)); ${then} done`

const diskUse = (dir: string): number =>
  // What goes while it is looked at is no fault.
  Number(/^\d+/.exec(spawnSync('du', ['-s', '--block-size=1', dir], {encoding: 'utf8'}).stdout)?.[0])

/** A worker that ends with its test, and its builds with it. */
function start(t: ExecutionContext, master: ScriptedMaster, setup: WorkerSetup): WorkerProcess {
  const worker = startWorker(master, setup)
  t.teardown(() => worker.stop())
  return worker
}

async function listening(t: ExecutionContext): Promise<ScriptedMaster> {
  const master = await ScriptedMaster.listen()
  t.teardown(() => master.close().catch(() => undefined))
  return master
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The most that lies in a directory until something is true. */
async function mostUsed(dir: string, until: () => boolean): Promise<number> {
  let most = 0
  while (!until()) {
    most = Math.max(most, diskUse(dir))
    await pause(20)
  }
  return most
}

/** What stands at the end of the log of a step that was stopped for a while. */
const held = /\x1b\[2m--- the step was held for \d+ s: [^\n]*\n$/

/** Checks that a log is the beginning and the end of the blocks, with one marker that tells what is not there. */
function isTold(t: ExecutionContext, log: string, times: number): number {
  const found = marker.exec(log)
  t.truthy(found, 'a marker')
  if (!found) return 0
  const before = log.slice(0, found.index)
  const after = log.slice(found.index + found[0].length).replace(held, '')
  const [, bytes = 0, lines = 0, kept = 0] = found.map(Number)
  const printed = Buffer.concat(Array<Buffer>(times).fill(block)).toString()
  t.is(before.length + bytes + after.length, printed.length, 'every byte is in the log or told of')
  t.true(printed.startsWith(before), 'the beginning is whole')
  t.true(printed.endsWith(after), 'the end is whole')
  t.is(lines, printed.slice(before.length, before.length + bytes).split('\n').length - 1)
  t.is(kept, limit)
  t.true(before.length > mebibyte && after.length > limit / 16)
  t.is(log.match(/are left out here/g)?.length, 1)
  return bytes
}

const spoolOf = (message: object | undefined) => (message as {spool?: SpoolState} | undefined)?.spool
const isHolding = (master: ScriptedMaster) => () =>
  master.heard.some((message) => message.say === 'beat' && spoolOf(message)?.holding === 1)

for (const [what, dies] of [
  ['', false],
  [', though the worker is killed meanwhile', true],
] as const)
  test.serial(
    `100 MiB of output that no master takes cost the limit, and the log tells what is left out${what}`,
    async (t) => {
      const master = await listening(t)
      const stateDir = freshDir()
      const done = join(freshDir(), 'done')
      let worker = start(t, master, {stateDir, args})
      await master.connectedOnce()
      const steps = [
        // Slowly: what is printed between two looks lies on the disk, and a busy machine lets the worker look late.
        step(print(100, 'sleep 0.1;')),
        step(`echo fine; echo >${done}`, {name: 'b'}),
      ]
      master.offer('1', plan(steps))
      await master.until(() => master.entry('1', 'segment'), 'output')
      await master.close()
      if (dies) {
        await mostUsed(stateDir, () => worker.said().includes('output.cut'))
        await worker.stop('SIGKILL')
        await pause(300)
        worker = start(t, master, {stateDir, args})
        // While it was down nobody held the step: that is given back first.
        await mostUsed(stateDir, () => diskUse(stateDir) < limit + slack / 2)
      }
      const most = await mostUsed(stateDir, () => existsSync(done))
      t.log(`at most ${String(Math.round(most / mebibyte))} MiB on the disk`)
      t.true(most < limit + slack, `${String(most)} bytes on the disk`)
      t.deepEqual(readdirSync(join(stateDir, 'attempts')), ['1'])
      const seen = master.hellos.length
      await master.open()
      const spool = spoolOf(await master.connectedOnce(seen + 1))
      t.is((await master.ended('1', 60_000)).result, 'success')
      t.deepEqual(master.told('1').faults, [])
      const left = isTold(t, master.log('1'), 100)
      t.true(left > 80 * mebibyte)
      t.is(master.log('1', 1), 'fine\n')
      const [ended] = master.entries('1', 'logEnded')
      t.is(ended?.bytes, master.log('1').length)
      t.is(ended?.lines, master.log('1').split('\n').length - 1)
      t.is(spool?.limitBytes, limit)
      t.is(spool?.policy, 'truncate')
      t.true((spool?.bytes ?? 0) > limit / 4 && (spool?.bytes ?? 0) <= limit + mebibyte)
      if (!dies) t.is(spool?.cutBytes, left)
    },
  )

test.serial(
  'a worker that blocks stops the step until its output is taken, and nothing is left out',
  async (t) => {
    const master = await listening(t)
    const stateDir = freshDir()
    const progress = join(freshDir(), 'progress')
    const worker = start(t, master, {stateDir, args: blocking})
    await master.connectedOnce()
    master.isMute = true
    const counted = () => (existsSync(progress) ? readFileSync(progress).length : 0)
    master.offer('1', plan([step(print(60, `printf . >>${progress}; sleep 0.01;`), {silenceMs: 2500})]))
    await master.until(isHolding(master), 'a beat that says so')
    await pause(500)
    const stood = counted()
    t.true(stood > 0 && stood < 60, 'it has not printed all')
    // Longer than it may be silent: who is held cannot speak.
    await pause(4000)
    t.is(counted(), stood, 'it stands')
    t.true(diskUse(stateDir) < limit + slack)
    await master.close()
    await worker.stop('SIGKILL')
    start(t, master, {stateDir, args: blocking})
    await pause(2500)
    t.is(counted(), stood, 'it stands for the next life of the worker, too')
    master.isMute = false
    await master.open()
    t.is((await master.ended('1', 60_000)).result, 'success')
    t.deepEqual(master.told('1').faults, [])
    const log = Buffer.from(master.log('1'))
    t.true(log.subarray(0, 60 * mebibyte).equals(Buffer.concat(Array<Buffer>(60).fill(block))))
    t.is(
      log
        .subarray(60 * mebibyte)
        .toString()
        .replace(held, ''),
      '',
    )
  },
)

test.serial('a step that is held for want of room can be cancelled', async (t) => {
  const master = await listening(t)
  start(t, master, {args: blocking})
  await master.connectedOnce()
  const trapped = `trap 'echo caught; exit 1' INT; ${print(1000)}`
  master.isMute = true
  master.offer('1', plan([step(trapped)], {intGraceMs: 5000}))
  await master.until(isHolding(master), 'a beat that says so')
  master.say({say: 'cancel', attempt: '1', reason: 'enough'})
  await pause(500)
  master.isMute = false
  master.cut()
  t.is((await master.ended('1')).result, 'cancelled')
  t.regex(master.log('1'), /caught\n/)
})

test.serial(
  'a step that prints faster than its master takes waits for it, and nothing is left out',
  async (t) => {
    const master = await listening(t)
    start(t, master, {args})
    await master.connectedOnce()
    master.offer('1', plan([step(print(60))]))
    t.is((await master.ended('1', 60_000)).result, 'success')
    t.true(
      Buffer.from(master.log('1'))
        .subarray(0, 60 * mebibyte)
        .equals(Buffer.concat(Array<Buffer>(60).fill(block))),
    )
  },
)

test.serial('what is printed into a property is held to the limit, too', async (t) => {
  const master = await listening(t)
  const stateDir = freshDir()
  const worker = start(t, master, {stateDir, args})
  await master.connectedOnce()
  const command = {
    ...step(`cat ${blockFile} ${blockFile} ${blockFile} >&2; ${print(100, 'sleep 0.05;')}`).command,
    capture: 'much',
  }
  master.isMute = true
  master.offer('1', plan([step('', {command})]))
  let isOver = false
  const watching = mostUsed(stateDir, () => isOver)
  await master.until(() => worker.said().includes('output.cut'), 'a cut')
  await pause(3000)
  isOver = true
  t.true((await watching) < limit + slack)
  master.isMute = false
  master.cut()
  t.is((await master.ended('1', 60_000)).result, 'success')
  t.regex(master.log('1'), /are left out here/)
})

test.serial(
  'a secret in the middle of which output is cut does not show, not even a part of it',
  async (t) => {
    const master = await listening(t)
    const stateDir = freshDir()
    const worker = start(t, master, {stateDir, args})
    await master.connectedOnce()
    const secret = 'sesame-open-the-mountain-please-and-do-not-tell-anybody-of-it'
    // One endless line: wherever it is cut, a part of the secret may stand.
    const endless = join(freshDir(), 'endless')
    const piece = () => randomBytes(12).toString('hex') + secret
    writeFileSync(endless, Array.from({length: 40_000}, piece).join(''))
    master.isMute = true
    const script = `i=0; while [ $i -lt 8 ]; do cat ${endless}; i=$((i+1)); sleep 0.1; done; echo; echo end`
    master.offer('1', plan([step(script)], {secrets: ['key']}), {key: secret})
    await master.until(() => worker.said().includes('output.cut'), 'a cut')
    await pause(1000)
    master.isMute = false
    master.cut()
    t.is((await master.ended('1', 60_000)).result, 'success')
    const log = master.log('1')
    t.regex(log, marker)
    t.regex(log.replace(marker, '').replace(held, ''), /^[0-9a-f*\n]+\nend\n$/)
  },
)

needs('images').serial('a container’s output is cut as well, whoever its steps run as', async (t) => {
  const master = await listening(t)
  const stateDir = freshDir()
  const worker = start(t, master, {stateDir, args: args.slice(2)})
  await master.connectedOnce()
  const script = `head -c 750000 /dev/urandom | base64 >block; echo up; ${print(60, 'sleep 0.05;').replace(blockFile, 'block')}; echo end`
  master.isMute = true
  master.offer('1', plan([step(script)], container('ostler-test/debian', {user: '1234:1234'})))
  let isOver = false
  const watching = mostUsed(stateDir, () => isOver)
  await master.until(() => worker.said().includes('output.cut'), 'a cut', 60_000)
  await pause(2000)
  isOver = true
  t.true((await watching) < limit + slack)
  master.isMute = false
  master.cut()
  t.is((await master.ended('1', 60_000)).result, 'success')
  const [before = '', , , , after = ''] = master.log('1').split(marker)
  t.is(before.slice(0, 3), 'up\n')
  t.is(after.replace(held, '').slice(-5), '\nend\n')
})
