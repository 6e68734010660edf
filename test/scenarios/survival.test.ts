// What builds live through: masters and workers that are killed or stopped, wires that are cut, workers that are lost.
import {appendFileSync, existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page, Worker} from '../../scripts/api.ts'
import {buildProcesses} from '../support/marked.ts'
import {eachEngine} from '../support/engines.ts'
import {needs} from '../support/needs.ts'
import {System, type Database} from '../support/system.ts'
import {Wire} from '../support/wire-cut.ts'
import {builder, sh, written} from '../support/written.ts'

const lines = (count: number) => Array.from({length: count}, (_, n) => `line ${n + 1}\n`).join('')
/** Tells that it ran in a file beside the system, where a second run would show, and prints for `count` tenths of a second. */
const tells = (folder: string, count: number, status = 0) =>
  `echo ran >>${folder}/side; for i in $(seq 1 ${count}); do echo "line $i"; sleep 0.1; done; exit ${status}`
const sidesOf = ({folder}: System) =>
  existsSync(join(folder, 'side')) ? readFileSync(join(folder, 'side'), 'utf8').trim().split('\n').length : 0

const config = (folder: string) =>
  written([
    builder('b', [
      sh('first', `echo ran >>${folder}/side`),
      sh('long', tells(folder, 25, 3), {flunkOnFailure: false, warnOnFailure: true}),
      sh('last', `echo ran >>${folder}/side; echo end`),
    ]),
    builder('boxed', [sh('long', 'for i in $(seq 1 25); do echo "line $i"; sleep 0.1; done; exit 4')], {
      container: {image: 'ostler-test/busybox'},
    }),
  ])

/** Forces a build and waits until its step has printed a few lines. */
async function underWay(
  system: System,
  builders: string,
  step = 'long',
): Promise<{buildset: string; build: Build}> {
  const buildset = await system.force('force', {builder: builders})
  const build = await system.until('the step prints', async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?builder=${builders}&limit=1`)
    const [newest] = items
    if (newest?.state !== 'running') return null
    const text = await system.log(newest.id, step).catch(() => '')
    return text.includes('line 3\n') ? newest : null
  })
  return {buildset, build}
}

/** The build went on as the same attempt, ran each step once and its log has every byte. */
async function wentOn(
  t: ExecutionContext,
  system: System,
  {buildset, build}: {buildset: string; build: Build},
) {
  const [ended] = await system.builds(buildset)
  t.is(ended?.id, build.id)
  t.is(ended?.attempt, build.attempt)
  t.is(ended?.attemptsLost, 0)
  t.is(ended?.result, 'warnings')
  t.is(await system.log(build.id, 'long'), lines(25))
  t.is(await system.log(build.id, 'last'), 'end\n')
  t.is(sidesOf(system), 3)
  const steps = await system.steps(build.id)
  t.deepEqual(
    steps.map(({name, result, attempts}) => [name, result, attempts]),
    [
      ['first', 'success', 1],
      ['long', 'failure', 1],
      ['last', 'success', 1],
    ],
  )
  t.deepEqual(buildProcesses(system.folder), [])
}

const on = (database: Database) => (database === 'embedded' ? test : needs('postgresql'))

for (const database of ['embedded', 'postgresql'] as const) {
  on(database)(
    `a build goes on though its master is killed, and nothing of it is repeated (${database})`,
    async (t) => {
      const system = await System.start(t, {config, database, workers: ['w1']})
      const running = await underWay(system, 'b')
      await system.master.process.kill()
      await sleep(700)
      await system.startMaster()
      await wentOn(t, system, running)
    },
  )

  on(database)(
    `a build that ended while its master was away is recorded when it comes back (${database})`,
    async (t) => {
      const system = await System.start(t, {config, database, workers: ['w1']})
      const running = await underWay(system, 'b')
      t.is(await system.master.process.stop(), 'exit 0')
      await sleep(2800)
      await system.startMaster()
      await wentOn(t, system, running)
    },
  )
}

test('a step goes on though its worker is killed, and its end is known', async (t) => {
  const system = await System.start(t, {config, workers: ['w1']})
  const running = await underWay(system, 'b')
  await system.worker('w1').kill()
  await sleep(500)
  await system.startWorker('w1')
  await wentOn(t, system, running)
})

test('a step that ended while its worker was stopped is recorded when it comes back', async (t) => {
  const system = await System.start(t, {config, workers: ['w1']})
  const running = await underWay(system, 'b')
  t.is(await system.worker('w1').stop(), 'exit 0')
  await sleep(2800)
  await system.startWorker('w1')
  await wentOn(t, system, running)
})

eachEngine('a step in a container goes on though its worker is killed', async (t, {socket}) => {
  const worker = {name: 'w1', more: ['--engine-socket', socket]}
  const system = await System.start(t, {config, workers: [worker]})
  const running = await underWay(system, 'boxed')
  await system.worker('w1').kill()
  await sleep(500)
  await system.startWorker(worker)
  const [ended] = await system.builds(running.buildset)
  t.is(ended?.attempt, running.build.attempt)
  t.is(ended?.result, 'failure')
  t.is(await system.log(running.build.id, 'long'), lines(25))
  const [step] = await system.steps(running.build.id)
  t.regex(step?.summary ?? '', /4/)
})

test('a build goes on while the network is cut, stalled and cut again', async (t) => {
  const system = await System.start(t, {config})
  const wire = await Wire.to(t, Number(new URL(system.master.url).port))
  await system.startWorker({name: 'w1', master: wire.url})
  const running = await underWay(system, 'b')
  wire.reset()
  await sleep(400)
  wire.stall()
  await sleep(1500)
  wire.reset()
  await wentOn(t, system, running)
})

test('a lost worker’s build is tried on another, and the late one is told to stop', async (t) => {
  const script = (folder: string) =>
    `echo "$OSTLER_ATTEMPT" >>${folder}/side; echo "line 1"; echo "line 2"; echo "line 3"; while [ ! -e ${folder}/go ]; do sleep 0.2; done`
  const workers = [{name: 'w1', missingTimeout: '1s'}, {name: 'w2'}]
  const system = await System.start(t, {
    config: (folder) => written([builder('b', [sh('long', script(folder))])], {workers}),
  })
  const wire = await Wire.to(t, Number(new URL(system.master.url).port))
  await system.startWorker({name: 'w1', master: wire.url})
  const {buildset, build} = await underWay(system, 'b')
  t.is(build.worker, 'w1')
  await system.startWorker('w2')
  // Cut, and never passing again until it is too late.
  wire.cut()
  await system.event(({type, data}) => type === 'worker.lost' && data['worker'] === 'w1')
  await system.event(({type, data}) => type === 'build.retried' && data['build'] === build.id)
  await system.until('another worker has it', async () => (sidesOf(system) === 2 ? true : null))
  wire.reset()
  await system.untilConnected('w1', 90_000)
  const isStopped = () =>
    system.worker('w1').lines.join('\n').includes('stop') &&
    buildProcesses(join(system.folder, 'worker-w1')).length === 0
  await system.until('the late one is stopped', async () => isStopped() || null)
  appendFileSync(join(system.folder, 'go'), '')
  const [ended] = await system.builds(buildset)
  t.is(ended?.id, build.id)
  t.is(ended?.worker, 'w2')
  t.is(ended?.result, 'success')
  t.is(ended?.attemptsLost, 1)
  t.not(ended?.attempt, build.attempt)
  t.is(sidesOf(system), 2)
  const {items} = await system.api.get<Page<Worker>>('/workers')
  t.deepEqual(items.map(({name, state, running}) => [name, state, running]).sort(), [
    ['w1', 'connected', 0],
    ['w2', 'connected', 0],
  ])
})
