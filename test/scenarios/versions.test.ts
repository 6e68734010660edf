// Masters and workers of neighbouring protocol versions work together, as real processes; others are told so plainly.
import {existsSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page, Step, Worker} from '../../scripts/api.ts'
import {startWorker} from '../../scripts/processes.ts'
import {protocolNewest, protocolOldest} from '../../worker/protocol/messages.ts'
import {otherVersion} from '../support/other-version.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const config = () =>
  written([
    builder('b', [
      sh('s', 'for i in $(seq 1 500); do echo "line $i"; done; sleep 1'),
      sh('t', 'echo done >>kept'),
    ]),
  ])
const whole = Array.from({length: 500}, (_, n) => `line ${n + 1}\n`).join('')

/** A whole build goes through, and nobody complained on the way. */
async function builds(t: ExecutionContext, system: System, protocol: number): Promise<void> {
  const [build] = await system.builds(await system.force('force', {builder: 'b'}))
  t.is(build?.result, 'success')
  t.is(build?.attemptsLost, 0)
  t.is(await system.log(build?.id ?? '', 's'), whole)
  const said = system.worker('w1').lines.join('\n')
  t.regex(said, new RegExp(`link\\.welcome .*protocol=${String(protocol)}\\b`))
  t.notRegex(said, /link\.(lost|malformed|refused)/)
}

test('a worker that is one version newer than its master builds', async (t) => {
  const program = otherVersion(t, [protocolNewest, protocolNewest + 1])
  const system = await System.start(t, {config, workers: [{name: 'w1', program}]})
  await builds(t, system, protocolNewest)
  const {items} = await system.api.get<Page<Worker & {version: string}>>('/workers')
  t.is(items[0]?.version, '9.0.0')
})

test('a worker that is one version older than its master builds', async (t) => {
  const program = otherVersion(t, [protocolNewest, protocolNewest + 1])
  const system = await System.start(t, {config, program, workers: ['w1']})
  await builds(t, system, protocolNewest)
})

for (const [what, upgrade] of [
  ['upgraded', true],
  ['downgraded', false],
] as const)
  test(`a worker that is ${what} during a step goes on with it: its output meanwhile is whole, its exit status right`, async (t) => {
    const newer = otherVersion(t, [protocolNewest, protocolNewest + 1])
    const [before, after] = upgrade ? [undefined, newer] : [newer, undefined]
    const script = (folder: string) =>
      `echo begun; while [ ! -e ${folder}/go ]; do sleep 0.1; done; for i in $(seq 1 500); do echo "line $i"; done; touch ${folder}/printed; exit 7`
    const system = await System.start(t, {
      config: (folder) => written([builder('b', [sh('s', script(folder))])]),
      workers: [{name: 'w1', ...(before !== undefined && {program: before})}],
    })
    const buildset = await system.force('force', {builder: 'b'})
    await system.until('the step prints', async () => {
      const {items} = await system.api.get<Page<Build>>('/builds')
      return items[0] && (await system.log(items[0].id, 's').catch(() => '')) === 'begun\n' ? true : null
    })
    await system.worker('w1').stop()
    writeFileSync(join(system.folder, 'go'), '')
    await system.until('it has printed all', () =>
      Promise.resolve(existsSync(join(system.folder, 'printed')) || null),
    )
    await system.startWorker({name: 'w1', ...(after !== undefined && {program: after})})
    const [build] = await system.builds(buildset)
    t.is(build?.result, 'failure')
    t.is(build?.attemptsLost, 0)
    t.is(await system.log(build?.id ?? '', 's'), `begun\n${whole}`)
    const {items} = await system.api.get<Page<Step>>(`/builds/${build?.id ?? ''}/steps`)
    t.regex(items[0]?.summary ?? '', /exit code 7$/)
  })

for (const [what, versions, remedy] of [
  ['two versions newer than its master', [protocolNewest + 1, protocolNewest + 2], 'upgrade the master'],
  ['older than its master understands', [protocolOldest - 1, protocolOldest - 1], 'upgrade the worker'],
] as const)
  test(`a worker that is ${what} says so and ends, and the master shows it`, async (t) => {
    const system = await System.start(t, {config})
    const token = await system.master.workerToken('w1')
    const stateDir = `${system.folder}/worker-w1`
    const worker = startWorker({
      master: system.urls,
      name: 'w1',
      token,
      stateDir,
      program: otherVersion(t, versions),
    })
    t.is(await worker.ended, 'exit 2')
    const told = new RegExp(
      `this master speaks version ${String(protocolNewest)} of the protocol, w1 \\(Ostler 9\\.0\\.0\\) versions? .*: ${remedy}`,
    )
    t.regex(worker.lines.join('\n'), told)
    t.regex(system.master.process.lines.join('\n'), told)
    const {items} = await system.api.get<Page<Worker & {reason: string}>>('/workers')
    t.is(items[0]?.state, 'offline')
    t.regex(items[0]?.reason ?? '', /^refused at \d{4}-/)
    t.regex(items[0]?.reason ?? '', told)
    t.regex((await system.master.ostler('workers')).stdout, told)
    // One that it understands is let in, and forgets it.
    await system.startWorker({name: 'w1', token, stateDir})
    const after = await system.api.get<Page<Worker & {reason: string | null}>>('/workers')
    t.is(after.items[0]?.reason, null)
    await system.builds(await system.force('force', {builder: 'b'}))
  })
