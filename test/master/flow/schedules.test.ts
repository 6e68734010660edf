import type {ExecutionContext} from 'ava'
import {schedules} from '../../../master/flow/schedules.ts'
import {recordChanges} from '../../../master/world/store/changes.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {openTestWorld} from '../../support/world.ts'

const yaml = (schedulers: string) => `
changeSources: [{name: hello, kind: git, url: "https://git.example.org/hello", branches: ["**"]}]
builders: [{name: b, steps: [{kind: shell, name: make, command: make}]}]
schedulers: [${schedulers}]
`

async function given(t: ExecutionContext, store: Store, schedulers: string) {
  const world = await openTestWorld(t, store, yaml(schedulers))
  const stage = schedules(world)
  let made = 0
  const revision = () => (++made).toString(16).padStart(40, '0')
  return {
    run: () => stage.run(),
    change: (branch: string, files: string[] = ['a']) =>
      store.transaction((tx) =>
        recordChanges(tx, [
          {
            source: 'hello',
            repository: 'https://git.example.org/hello',
            branch,
            revision: revision(),
            parents: [],
            author: 'Ann',
            message: 'm',
            files,
            filesMore: 0,
            link: null,
            committedAt: null,
          },
        ]),
      ),
    sets: () =>
      store.query<{branch: string | null; revision: string | null; changes: string}>(
        `SELECT source_stamps->0->>'branch' AS branch, source_stamps->0->>'revision' AS revision,
                cardinality(change_ids)::text AS changes FROM buildsets ORDER BY id`,
      ),
  }
}

eachDatabase(
  'without a tree-stable timer each change of the branch is built by itself, once',
  async (t, store) => {
    const g = await given(
      t,
      store,
      '{name: s, kind: singleBranch, source: hello, branch: main, builders: [b]}',
    )
    await g.change('main')
    await g.change('other')
    await g.change('main')
    await g.run()
    await g.run()
    t.deepEqual(
      (await g.sets()).map((set) => [set.branch, set.changes]),
      [
        ['main', '1'],
        ['main', '1'],
      ],
    )
  },
)

eachDatabase(
  'with a tree-stable timer changes are held until their branch is quiet, and built together',
  async (t, store) => {
    const g = await given(
      t,
      store,
      '{name: s, kind: singleBranch, source: hello, branch: "*", treeStableTimer: 1h, builders: [b]}',
    )
    await g.change('main')
    await g.change('main')
    await g.change('other')
    await g.run()
    t.deepEqual(await g.sets(), [])
    await store.query(
      `UPDATE changes SET recorded_at = recorded_at - interval '2 hours' WHERE branch = 'main'`,
    )
    await store.query(`UPDATE schedulers SET due_at = now() - interval '1 second'`)
    await g.run()
    t.like(await g.sets(), [{branch: 'main', changes: '2', revision: '2'.padStart(40, '0')}])
    await g.run()
    t.is((await g.sets()).length, 1, 'and only once')
  },
)

eachDatabase('a calendar fires once for all the times that passed while no master ran', async (t, store) => {
  const g = await given(t, store, '{name: n, kind: nightly, cron: "0 * * * *", builders: [b]}')
  await g.run()
  t.deepEqual(await g.sets(), [])
  await store.query(`UPDATE schedulers SET due_at = now() - interval '5 hours'`)
  await g.run()
  await g.run()
  t.is((await g.sets()).length, 1)
})

eachDatabase('a calendar that asks for changes does not build the same revision again', async (t, store) => {
  const g = await given(
    t,
    store,
    '{name: n, kind: nightly, cron: "0 * * * *", source: hello, branch: main, onlyIfChanged: true, builders: [b]}',
  )
  await g.change('main')
  const due = async () => {
    await store.query(`UPDATE schedulers SET due_at = now() - interval '1 minute'`)
    await g.run()
  }
  await g.run()
  await due()
  await due()
  t.is((await g.sets()).length, 1)
  await g.change('main')
  await due()
  t.is((await g.sets()).length, 2)
})
