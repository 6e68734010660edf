// A directory of backups as a timer fills it: each proved, the oldest gone when a new one is there, the last good one never.
import {mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {runOstler} from '../../scripts/processes.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const config = () =>
  written([
    builder('short', [
      sh('make', 'seq 1 5000 > kept.txt'),
      {kind: 'upload', name: 'keep', files: 'kept.txt', artifact: 'kept'},
    ]),
  ])

test('backups into a directory rotate, one that lacks something costs no good one, and the last good one is restored', async (t) => {
  const system = await System.start(t, {config, database: 'embedded', workers: ['w1']})
  await system.builds(await system.force('force', {builder: 'short'}))
  const directory = join(system.folder, 'backups')
  mkdirSync(directory)
  const backup = async () => {
    // The names tell seconds.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    return await system.master.ostler('backup', '--into', directory, '--keep', '2')
  }
  for (const _round of [1, 2, 3]) t.is((await backup()).code, 0)
  const good = readdirSync(directory).sort()
  t.is(good.length, 2)
  t.true(
    good.every((name) => /^ostler-\d{8}T\d{6}Z\.tar$/.test(name)),
    good.join(' '),
  )

  // The only artifact is gone from the disk: what is made then is told, and marked.
  rmSync(join(system.folder, 'master', 'artifacts'), {recursive: true})
  const lacking = await backup()
  t.is(lacking.code, 1, lacking.stdout)
  t.regex(lacking.stderr, /not in it: artifact/)
  const names = readdirSync(directory).sort()
  t.deepEqual(names.slice(0, 2), good)
  t.regex(names[2] ?? '', /-incomplete\.tar$/)

  const place = join(system.folder, 'restored')
  const restored = await runOstler(['restore', join(directory, good[1] ?? ''), '--state-dir', place], {})
  t.is(restored.code, 0, restored.stderr)
  t.regex(restored.stdout, /1 build, .* 1 artifact/)
  t.is((await system.master.ostler('backup', '--keep', '2', 'x.tar')).code, 2)
  t.is((await system.master.ostler('backup')).code, 2)
})
