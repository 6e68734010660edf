// A worker that is an ordinary user, in the group of the engine's socket: whatever the steps of its containers leave, the
// workspace stays its own to write and to clean.
import {execFileSync} from 'node:child_process'
import {join} from 'node:path'
import {eachOrdinary, ordinaryUid, type Stable} from '../support/engines.ts'
import {checkout, container, repositoryOfOneCommit, stepIn} from '../support/plans.ts'
import {step} from '../support/worker-process.ts'

const asUser = (user: string | null) => ({...container('ostler-test/debian', {user}), workspace: 'shared'})

/** What in the workspace belongs to somebody else than the worker. */
const foreign = ({stateDir}: Stable): string =>
  execFileSync('find', [join(stateDir, 'workspaces'), '!', '-user', String(ordinaryUid)], {encoding: 'utf8'})

const all = ({master}: Stable, fence: string): string => JSON.stringify(master.told(fence).entries)

eachOrdinary("steps run as the worker's user, and their files are its own", async (t, stable) => {
  const steps = [
    checkout(repositoryOfOneCommit(ordinaryUid)),
    step('id -u; mkdir src/made; touch src/made/x'),
  ]
  const {fence, end} = await stable.built(steps, asUser(null))
  t.is(end.result, 'success', all(stable, fence))
  t.is(stable.master.log(fence, 1), `${ordinaryUid}\n`)
  t.is(foreign(stable), '')
})

eachOrdinary(
  "what a container's root made is the worker's again at the end, and cleaned by the next build",
  async (t, stable) => {
    const repository = repositoryOfOneCommit(ordinaryUid)
    const mess =
      'id -u; mkdir -m 700 src/deep; touch src/deep/x; mkdir -m 700 /ostler/attempt/d; touch /ostler/attempt/d/x'
    for (const mode of ['clean', 'fresh'] as const) {
      const {fence, end} = await stable.built(
        [checkout(repository, {mode}), step(mess, {name: 'b'})],
        asUser('root'),
      )
      t.is(end.result, 'success', all(stable, fence))
      t.is(stable.master.log(fence, 1), '0\n')
      t.is(foreign(stable), '')
    }
    await stable.master.until(() => stable.attempts() === 0, 'the attempts to be forgotten')
    t.deepEqual(await stable.containers(), [])
  },
)

eachOrdinary('another user writes in the workspace between two checkouts', async (t, stable) => {
  const repository = repositoryOfOneCommit(ordinaryUid)
  const steps = [
    stepIn('made', 'touch first', 'a'),
    checkout(repository, {mode: 'fresh'}),
    stepIn('src', 'id -u; mkdir -m 700 deep; touch deep/x', 'b'),
    checkout(repository, {mode: 'fresh'}),
    stepIn('src', 'test ! -e deep; touch again', 'c'),
  ]
  const {fence, end} = await stable.built(steps, asUser('4321'))
  t.is(end.result, 'success', all(stable, fence))
  t.is(stable.master.log(fence, 2), '4321\n')
  t.is(foreign(stable), '')
})

eachOrdinary("a removed container's files are the worker's again, too", async (t, stable) => {
  const {master, engine} = stable
  const fence = stable.offer([step('mkdir -m 700 deep; touch deep/x; echo up; sleep 100')], asUser('root'))
  await master.until(() => master.log(fence).includes('up'), 'output', 30_000)
  t.not(foreign(stable), '')
  for (const {Id} of await stable.containers()) await engine.api.getContainer(Id).remove({force: true})
  t.is((await master.ended(fence, 30_000)).result, 'retry')
  t.is(foreign(stable), '')
})
