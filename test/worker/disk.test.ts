// A full disk at the worker: nothing corrupt, a clear reason, and the next build works.
import {execFileSync} from 'node:child_process'
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {needs} from '../support/needs.ts'
import {freshDir, plan, startWorker, step} from '../support/worker-process.ts'

const mounted = needs('mounts').serial
const dirs: string[] = []

/** A state directory on a file system of its own. */
function smallDisk(): string {
  const dir = freshDir()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'ostler-test', dir])
  dirs.push(dir)
  return dir
}

test.after.always(() => {
  for (const dir of dirs) execFileSync('umount', ['-l', dir])
})

mounted('a build that fills the disk is to be tried again, and the next one works', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {stateDir: smallDisk()})
  await master.connectedOnce()
  master.offer(
    '1',
    plan([step('echo begin; head -c 100000000 /dev/zero >big'), step('true', {name: 'b', alwaysRun: true})]),
  )
  const {result, summary} = await master.ended('1')
  t.is(result, 'retry')
  t.regex(summary, /disk (is|was) full/)
  t.deepEqual(master.told('1').faults, [])
  master.offer('2', plan([step('echo fine')]))
  t.is((await master.ended('2')).result, 'success')
  t.is(master.log('2'), 'fine\n')
  await worker.stop()
  await master.close()
})

mounted('output that fills the disk while the master is away ends the build clearly', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {stateDir: smallDisk()})
  await master.connectedOnce()
  master.isMute = true
  master.offer('1', plan([step('head -c 60000000 /dev/urandom')]))
  await master.until(() => master.entry('1', 'segment'), 'output')
  await new Promise((resolve) => setTimeout(resolve, 1500))
  master.isMute = false
  master.cut()
  await master.connectedOnce(2)
  t.is((await master.ended('1', 30_000)).result, 'retry')
  t.deepEqual(master.told('1').faults, [])
  master.offer('2', plan([step('echo fine')]))
  await master.until(
    () => master.entry('2', 'buildEnded') ?? master.heard.find((message) => message.say === 'decline'),
    'an answer',
  )
  await worker.stop()
  await master.close()
})

mounted('offers are declined while there is too little room', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {
    stateDir: smallDisk(),
    args: ['--engine-socket', 'none', '--min-free', '1GiB'],
  })
  await master.connectedOnce()
  master.offer('1', plan([step('true')]))
  await master.until(
    () => master.heard.find((message) => message.say === 'decline' && message.code === 'disk'),
    'decline',
  )
  t.pass()
  await worker.stop()
  await master.close()
})
