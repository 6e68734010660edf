// Workspaces that nobody used for long are removed, and none that a build has.
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {Workspaces} from '../../../worker/world/workspaces.ts'
import {ScriptedMaster} from '../../support/scripted-master.ts'
import {freshDir, plan, startWorker, step} from '../../support/worker-process.ts'

const day = 86_400_000

function scene(t: ExecutionContext) {
  const stateDir = mkdtempSync(join(tmpdir(), 'ostler-workspaces-'))
  t.teardown(() => rmSync(stateDir, {recursive: true, force: true}))
  const workspaces = new Workspaces(stateDir)
  const aged = (name: string, days: number) => {
    const at = new Date(Date.now() - days * day)
    writeFileSync(join(workspaces.path(name), 'file'), '')
    utimesSync(workspaces.path(name), at, at)
  }
  return {workspaces, aged}
}

test('what was not used for so long goes, and what a build has stays however old it looks', async (t) => {
  const {workspaces, aged} = scene(t)
  for (const name of ['old', 'used', 'fresh']) workspaces.claim(name)
  workspaces.release('old')
  workspaces.release('fresh')
  for (const name of ['old', 'used']) aged(name, 40)
  t.deepEqual(await workspaces.removeUnused(30 * day, Date.now()), {removed: ['old'], left: []})
  t.deepEqual(readdirSync(workspaces.root).sort(), ['fresh', 'used'])
})

test('the time counts from the end of the last build', async (t) => {
  const {workspaces, aged} = scene(t)
  workspaces.claim('a')
  aged('a', 40)
  workspaces.release('a')
  t.deepEqual((await workspaces.removeUnused(30 * day, Date.now())).removed, [])
  t.deepEqual((await workspaces.removeUnused(30 * day, Date.now() + 31 * day)).removed, ['a'])
})

test('a removal that was cut short is ended by the next, and its name is free meanwhile', async (t) => {
  const {workspaces} = scene(t)
  mkdirSync(join(workspaces.root, '.going.a', 'deep'), {recursive: true})
  t.is(workspaces.take('a'), 'a')
  t.deepEqual(await workspaces.removeUnused(day, Date.now()), {removed: ['.going.a'], left: []})
  t.true(existsSync(workspaces.path('a')))
})

test('a worker removes at its start what nobody used for long, not where a build of before goes on', async (t) => {
  const master = await ScriptedMaster.listen()
  const stateDir = freshDir()
  const worker = startWorker(master, {stateDir})
  await master.connectedOnce()
  master.offer('1', plan([step('while [ ! -e go ]; do sleep 0.1; done; echo went')], {workspace: 'held'}))
  await master.until(() => master.entries('1', 'stepStarted').length > 0, 'the step begins')
  const workspace = (name: string) => join(stateDir, 'workspaces', name)
  await worker.stop('SIGTERM')
  mkdirSync(workspace('unused'))
  const at = new Date(Date.now() - 31 * day)
  for (const name of ['held', 'unused']) utimesSync(workspace(name), at, at)
  const next = startWorker(master, {stateDir})
  await master.until(() => !existsSync(workspace('unused')), 'the unused one is gone')
  writeFileSync(join(workspace('held'), 'go'), '')
  t.is((await master.ended('1')).result, 'success')
  t.is(master.log('1'), 'went\n')
  await next.stop()
  await master.close()
})
