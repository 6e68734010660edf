// Test-fix mode through the whole system: a red branch holds what lands on it, over a restart of the master, until a
// change mends it or somebody forces a build that is green; and the pages say so.
import test from 'ava'
import type {ExecutionContext} from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {accessible, visit} from '../support/visit.ts'
import {builder, onPush, sh, written} from '../support/written.ts'

interface Scheduler {
  readonly name: string
  readonly text: string
  readonly held: readonly {readonly revision: string; readonly code: string; readonly text: string}[]
}

async function scene(t: ExecutionContext) {
  const repository = await Repository.make(t)
  const first = await repository.commit('first', {bad: 'no'})
  await repository.push('main')
  const steps = [{kind: 'git', repository: 'repo'}, sh('test', 'grep -q no bad')]
  const system = await System.start(t, {
    config: () =>
      written([builder('check', steps)], {
        access: {read: 'open'},
        ...onPush(repository, {onRed: 'testfix'}),
      }),
    workers: ['w1'],
  })
  const land = async (message: string, files: Record<string, string>) => {
    const revision = await repository.commit(message, files)
    await repository.push('main')
    return revision
  }
  return {
    system,
    first,
    land,
    builds: async () =>
      (await system.api.get<Page<Build>>('/builds')).items.map(({gotRevision}) => gotRevision),
    built: (revision: string) =>
      system.until(`${revision.slice(0, 7)} is built`, async () => {
        const {items} = await system.api.get<Page<Build>>(`/builds?state=finished&revision=${revision}`)
        return items[0]
      }),
    held: async () => {
      const {items} = await system.api.get<Page<Scheduler>>('/schedulers')
      return items.find(({name}) => name === 'push')?.held ?? []
    },
  }
}

test('a red branch holds what lands, also over a restart, until a change mends it; a forced green build ends it too', async (t) => {
  const {system, first, land, builds, built, held} = await scene(t)
  await built(first)
  const red = await land('break it', {bad: 'yes'})
  t.is((await built(red)).result, 'failure')
  const waiting = await land('more work', {other: 'x'})
  const isHeld = (revision: string) => async () =>
    (await held()).some((change) => change.revision === revision) || null
  await system.until('it is held', isHeld(waiting))
  t.like((await held())[0], {code: 'red', text: 'held since check #2; needs [testfix] or a force'})
  await system.master.process.stop()
  await system.startMaster()
  await system.untilConnected('w1')
  t.is((await held()).length, 1)
  const mended = await land('[TestFix] mend it', {bad: 'no'})
  t.is((await built(mended)).result, 'success')
  t.deepEqual(await builds(), [mended, red, first], 'one build for both that landed')
  t.deepEqual(await held(), [])

  const again = await land('break it again', {bad: 'yes'})
  await built(again)
  const flaky = await land('mends it and does not say so', {bad: 'no'})
  await system.until('it is held too', isHeld(flaky))
  const [forced] = await system.builds(await system.force('force', {branch: 'main'}))
  t.like(forced, {result: 'success', gotRevision: flaky})
  await system.until('nothing is held any more', async () => ((await held()).length === 0 ? true : null))
  await system.until('what was held is built by its scheduler too', async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?state=finished&revision=${flaky}`)
    return items.some(({origin}) => origin === 'scheduler') || null
  })
})

needs('chromium').serial('the waterfall and the queue say which changes are held and why', async (t) => {
  const {system, first, land, built} = await scene(t)
  await built(first)
  await built(await land('break it', {bad: 'yes'}))
  const {page, done} = await visit(t, system)
  await page.goto(system.master.url)
  await land('more work', {other: 'x'})
  const reason = 'held since check #2; needs [testfix] or a force'
  const change = page.locator('.change', {hasText: 'more work'})
  await change.getByText(reason).waitFor()
  await accessible(t, page, 'the rail of changes')
  await page.goto(`${system.master.url}/requests`)
  await page
    .getByRole('row', {name: /more work/})
    .getByText(reason)
    .waitFor()
  await accessible(t, page, 'the queue')
  await page.goto(system.master.url)
  await change.getByText(reason).waitFor()
  await land('[testfix] mend it', {bad: 'no'})
  // Without a reload: what was held is let go.
  await change.getByText(reason).waitFor({state: 'detached'})
  await system.until('that is built', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds?result=success')
    return items.length === 2 || null
  })
  await done()
})
