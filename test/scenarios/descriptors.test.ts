// No file descriptors left, at a master and at a worker: told clearly, nothing lost, and all goes on once there are some.
import {execFileSync} from 'node:child_process'
import {readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page, Request, Worker} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {System, type Database} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const openBy = (pid: number): number => readdirSync(`/proc/${String(pid)}/fd`).length
/** Sets the soft limit of a running process; the hard one stays, so that it can be raised again. */
const limitTo = (pid: number, most: number) =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${String(most)}:`])
const enough = 4096

const text = (n: number) => `line ${n} of a log that takes some room`
const config = (folder: string) =>
  written([
    builder('prints', [
      sh(
        's',
        `echo up; while [ ! -e ${folder}/go ]; do sleep 0.1; done; for i in $(seq 1 2000); do echo "line $i of a log that takes some room"; done`,
      ),
      sh('t', 'echo next'),
    ]),
    builder('small', [sh('s', 'echo hi')]),
  ])
const whole = `up\n${Array.from({length: 2000}, (_, n) => `${text(n + 1)}\n`).join('')}`

/** Waits until the first line of the build that prints is at the master. */
const firstLine = (system: System) =>
  system.until('the first line is there', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds')
    return items[0] && (await system.log(items[0].id, 's').catch(() => '')) === 'up\n' ? true : null
  })

/** What printed while there were no descriptors ends well and whole, and what waited is built. */
async function endsWell(
  t: ExecutionContext,
  system: System,
  running: string,
  waiting: string,
): Promise<void> {
  const [build] = await system.builds(running, 90_000)
  t.is(build?.result, 'success')
  t.is(build?.attemptsLost, 0)
  t.is(await system.log(build?.id ?? '', 's'), whole)
  t.is((await system.builds(waiting))[0]?.result, 'success')
}

const reasonOf = (system: System, code: string) =>
  system.until('it says why', async () => {
    const {items} = await system.api.get<Page<Request>>('/requests?state=pending')
    return items[0]?.waiting.find((wait) => wait.code === code) ?? null
  })

for (const database of ['postgresql', 'embedded'] as const satisfies Database[])
  (database === 'postgresql' ? needs('postgresql') : test)(
    `a master without file descriptors starts nothing new, loses nothing, and goes on when it has some (${database})`,
    async (t) => {
      const system = await System.start(t, {database, config, workers: [{name: 'w1', maxBuilds: 2}]})
      const {pid} = system.master.process
      const running = await system.force('force', {builder: 'prints'})
      await firstLine(system)
      limitTo(pid, openBy(pid) + 30)
      await sleep(300)
      const waiting = await system.force('force', {builder: 'small'})
      t.regex(
        (await reasonOf(system, 'master')).text,
        /^the master starts nothing new: \d+ of its \d+ file descriptors/,
      )
      const answer = await fetch(`${system.master.url}/healthz`)
      t.is(answer.status, 503)
      t.regex(await answer.text(), /no new builds are started: \d+ of its \d+ file descriptors are in use/)
      // Now not one more can be opened: not for the log of what runs, not for a caller.
      limitTo(pid, 10)
      writeFileSync(join(system.folder, 'go'), '')
      for (let n = 0; n < 12; n++) {
        await fetch(`${system.master.url}/healthz`, {signal: AbortSignal.timeout(500)}).catch(() => null)
        await sleep(200)
      }
      t.is(system.master.process.how, null)
      limitTo(pid, enough)
      await endsWell(t, system, running, waiting)
      await system.until('the master is well', async () =>
        (await fetch(`${system.master.url}/healthz`)).status === 200 ? true : null,
      )
    },
  )

test('a worker without file descriptors takes nothing new and says so, keeps what it runs, and takes work again', async (t) => {
  const system = await System.start(t, {config, workers: [{name: 'w1', maxBuilds: 2}]})
  const {pid} = system.worker('w1')
  const running = await system.force('force', {builder: 'prints'})
  await firstLine(system)
  limitTo(pid, openBy(pid) + 30)
  const waiting = await system.force('force', {builder: 'small'})
  t.regex((await reasonOf(system, 'hindered')).text, /^w1 takes nothing new: \d+ of its \d+ file descriptors/)
  const {items} = await system.api.get<Page<Worker>>('/workers')
  t.regex(
    (items[0] as {reason?: string}).reason ?? '',
    /it takes nothing new: \d+ of its \d+ file descriptors/,
  )
  limitTo(pid, 10)
  writeFileSync(join(system.folder, 'go'), '')
  await sleep(4000)
  t.is(system.worker('w1').how, null)
  limitTo(pid, enough)
  await endsWell(t, system, running, waiting)
})
