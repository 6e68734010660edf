// A full disk on either side: told clearly, nothing lost, and the next build works once there is room.
import {execFileSync} from 'node:child_process'
import {
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
  appendFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Build, Page, Request, Worker} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {System, type Database} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

/** A small file system of its own. */
function mounted(t: ExecutionContext, mebibytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-small-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'ostler-test', folder])
  t.teardown(() => {
    execFileSync('umount', ['--lazy', folder])
    rmdirSync(folder)
  })
  return folder
}

const freeBytes = (folder: string) => {
  const {bavail, bsize} = statfsSync(folder)
  return bavail * bsize
}

/** Fills a file system to the last block; returns how to make room again. */
function fill(folder: string): () => void {
  const file = join(folder, 'filler')
  const block = Buffer.alloc(64 * 1024)
  writeFileSync(file, '')
  try {
    for (;;) appendFileSync(file, block)
  } catch {
    // Full, as wanted.
  }
  return () => rmSync(file)
}

const builders = (folder: string) => [
  builder('prints', [
    sh(
      's',
      `echo up; while [ ! -e ${folder}/go ]; do sleep 0.1; done; for i in $(seq 1 2000); do echo "line $i of a log that takes some room"; done; echo end; head -c 30000 /dev/urandom | base64`,
    ),
  ]),
  builder('fills', [sh('s', 'head -c 400000000 /dev/zero >big; echo not reached')]),
  builder('shouts', [sh('s', 'head -c 2000000000 /dev/zero')]),
  builder('small', [sh('s', 'echo hi')]),
]
const config = (folder: string) => written(builders(folder))

needs('mounts')(
  'a worker whose disk a build fills says so, has it tried again, and builds the next',
  async (t) => {
    const stateDir = mounted(t, 320)
    const system = await System.start(t, {config})
    await system.startWorker({name: 'w1', stateDir})
    for (const name of ['fills', 'shouts']) {
      const [build] = await system.builds(await system.force('force', {builder: name}), 120_000)
      t.is(build?.result, 'exception', name)
      t.regex(build?.summary ?? '', /disk (is|was) full/, name)
      const [next] = await system.builds(await system.force('force', {builder: 'small'}))
      t.is(next?.result, 'success')
      t.is(await system.log(next?.id ?? '', 's'), 'hi\n')
    }
    t.true(freeBytes(stateDir) > 300 * 1024 * 1024)
  },
)

needs('mounts')(
  'a worker without room takes no builds, says why, and takes them when there is room',
  async (t) => {
    const stateDir = mounted(t, 320)
    const system = await System.start(t, {config})
    await system.startWorker({name: 'w1', stateDir})
    const makeRoom = fill(stateDir)
    await system.until('the master knows', async () => {
      const {items} = await system.api.get<Page<Worker>>('/workers')
      return (items[0]?.freeBytes ?? Infinity) < 1e6 || null
    })
    const buildset = await system.force('force', {builder: 'small'})
    const waiting = await system.until('it says why', async () => {
      const {items} = await system.api.get<Page<Request>>('/requests?state=pending')
      return items[0]?.waiting.find(({code}) => code === 'disk') ?? null
    })
    t.regex(waiting.text, /w1 has too little free disk/)
    makeRoom()
    t.is((await system.builds(buildset))[0]?.result, 'success')
  },
)

for (const database of ['postgresql', 'embedded'] as const satisfies Database[])
  needs('mounts', ...(database === 'postgresql' ? (['postgresql'] as const) : []))(
    `a master whose disk is full loses nothing of a build and goes on when there is room (${database})`,
    async (t) => {
      const small = mounted(t, 160)
      const system = await System.start(t, {
        database,
        config: (folder) => {
          rmSync(join(folder, 'master'), {recursive: true})
          symlinkSync(small, join(folder, 'master'))
          return config(folder)
        },
        workers: ['w1'],
      })
      const token = readFileSync(system.master.tokenFile, 'utf8')
      const buildset = await system.force('force', {builder: 'prints'})
      await system.event(({type}) => type === 'step.started')
      await system.until('the first line is there', async () => {
        const {items} = await system.api.get<Page<Build>>('/builds')
        return items[0] && (await system.log(items[0].id, 's').catch(() => '')) === 'up\n' ? true : null
      })
      const makeRoom = fill(small)
      writeFileSync(join(system.folder, 'go'), '')
      const sick = await system.until('the master says what ails it', async () => {
        const answer = await fetch(`${system.master.url}/healthz`)
        const text = await answer.text()
        return answer.status === 503 ? text : null
      })
      t.log(sick.slice(0, 300))
      t.regex(sick + system.master.process.lines.join('\n'), /ENOSPC|no space|could not (write|extend)/i)
      makeRoom()
      const [build] = await system.builds(buildset, 90_000)
      t.is(build?.result, 'success')
      t.is(build?.attemptsLost, 0)
      const text = await system.log(build?.id ?? '', 's')
      t.is(
        text.split('\n').slice(0, 2002).join('\n'),
        `up\n${Array.from({length: 2000}, (_, n) => `line ${n + 1} of a log that takes some room`).join('\n')}\nend`,
      )
      t.is(text.split('\nend\n')[1]?.replaceAll('\n', '').length, 40_000)
      t.is(readFileSync(system.master.tokenFile, 'utf8'), token)
      t.is((await system.builds(await system.force('force', {builder: 'small'})))[0]?.result, 'success')
      await system.until('the master is well', async () =>
        (await fetch(`${system.master.url}/healthz`)).status === 200 ? true : null,
      )
    },
  )
