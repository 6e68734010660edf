// A master that the kernel kills for its memory loses nothing, and starts again cleanly.
import {mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {memoryGroups} from '../support/parts.ts'
import {System, type Database} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

/** Lets a process use no more memory than so many bytes. */
function limitMemory(t: ExecutionContext, pid: number, bytes: number): void {
  const {root, limit} = memoryGroups() as {root: string; limit: string}
  const group = join(root, `ostler-test-${String(pid)}`)
  mkdirSync(group)
  t.teardown(() => {
    try {
      rmdirSync(group)
    } catch (error) {
      t.log(`${group} is left: ${(error as Error).message}`)
    }
  })
  writeFileSync(join(group, limit), String(bytes))
  writeFileSync(join(group, 'cgroup.procs'), String(pid))
}

const rss = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1])

const count = 300_000
const config = (folder: string) =>
  written([
    builder('prints', [
      sh(
        's',
        `echo up; while [ ! -e ${folder}/go ]; do sleep 0.1; done; seq -f "line %.0f of much that is printed" ${count}`,
      ),
    ]),
    builder('small', [sh('s', 'echo hi')]),
  ])

for (const database of ['postgresql', 'embedded'] as const satisfies Database[])
  needs('memory-limits', ...(database === 'postgresql' ? (['postgresql'] as const) : []))(
    `a master that is killed for its memory starts again with nothing lost (${database})`,
    async (t) => {
      const system = await System.start(t, {database, config, workers: [{name: 'w1', maxBuilds: 2}]})
      const running = await system.force('force', {builder: 'prints'})
      await system.until('the first line is there', async () => {
        const {items} = await system.api.get<Page<Build>>('/builds')
        return items[0] && (await system.log(items[0].id, 's').catch(() => '')) === 'up\n' ? true : null
      })
      const {process: master} = system.master
      // What it has already is not charged to its new group: this much more it may take.
      limitMemory(t, master.pid, 6 * 1024 * 1024)
      const before = rss(master.pid)
      writeFileSync(join(system.folder, 'go'), '')
      let waiting: string | null = null
      for (let n = 0; n < 400 && master.how === null; n++)
        waiting ??= await system.force('force', {builder: 'small'}).catch(() => null)
      const work = async () => {
        await Promise.all(
          Array.from({length: 20}, () =>
            fetch(`${system.master.url}/api/v1/openapi.json`)
              .then((answer) => answer.text())
              .catch(() => ''),
          ),
        )
        return master.how
      }
      t.is(await system.until('the kernel kills it', work).catch(() => master.how), 'SIGKILL')
      t.log(`it had ${String(Math.round(before / 1e6))} MB`)
      await system.startMaster()
      await system.untilConnected('w1')
      const [build] = await system.builds(running, 90_000)
      t.is(build?.result, 'success')
      t.is(build?.attemptsLost, 0)
      const lines = Array.from(
        {length: count},
        (_, n) => `line ${String(n + 1)} of much that is printed\n`,
      ).join('')
      t.is(await system.log(build?.id ?? '', 's'), `up\n${lines}`)
      if (waiting !== null) t.is((await system.builds(waiting))[0]?.result, 'success')
      t.is((await system.builds(await system.force('force', {builder: 'small'})))[0]?.result, 'success')
      t.is((await fetch(`${system.master.url}/healthz`)).status, 200)
    },
  )
