import type {ExecutionContext} from 'ava'
import {schedules} from '../../../master/flow/schedules.ts'
import {recordChanges} from '../../../master/world/store/changes.ts'
import {record} from '../../../master/world/store/events.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {readHeld} from '../../../master/world/store/views/held.ts'
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
    stage,
    world,
    change: (branch: string, files: string[] = ['a'], message = 'm') =>
      store.transaction((tx) =>
        recordChanges(tx, [
          {
            source: 'hello',
            repository: 'https://git.example.org/hello',
            branch,
            revision: revision(),
            parents: [],
            author: 'Ann',
            message,
            files,
            filesMore: 0,
            link: null,
            committedAt: null,
          },
        ]),
      ),
    /** A build of that branch that ended so, as the river leaves it. */
    ended: (result: string, {branch = 'main', builder = 'b', repository = 'hello'} = {}) =>
      store.transaction(async (tx) => {
        const [row] = await tx.query<{id: string}>(
          `WITH s AS (INSERT INTO buildsets (reason, origin, source_stamps) VALUES ('test', 'force', '[]') RETURNING id),
             r AS (INSERT INTO requests (buildset_id, builder, state) SELECT id, $1, 'finished' FROM s RETURNING id, buildset_id)
           INSERT INTO builds (request_id, buildset_id, builder, number, state, result, repository, branch, source_stamps, origin, reason, finished_at)
           SELECT id, buildset_id, $1, (SELECT count(*) + 1 FROM builds WHERE builder = $1), 'finished', $2, $3, $4, '[]', 'force', 'test',
             clock_timestamp() FROM r RETURNING id`,
          [builder, result, repository, branch],
        )
        await record(tx, [{type: 'build.finished', data: {build: row?.id, builder, result}}])
      }),
    /** Why changes are held, as people see it. */
    held: () => readHeld(store, world.settings().config),
    sets: () =>
      store.query<{branch: string | null; revision: string | null; changes: string}>(
        `SELECT source_stamps->0->>'branch' AS branch, source_stamps->0->>'revision' AS revision,
                cardinality(change_ids)::text AS changes FROM buildsets WHERE reason <> 'test' ORDER BY id`,
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

const minding = (more = '') =>
  `{name: s, kind: singleBranch, source: hello, branch: "*", onRed: testfix, builders: [b]${more}}`

eachDatabase(
  'while its branch is red a scheduler holds new changes, and says since which build',
  async (t, store) => {
    const g = await given(t, store, minding())
    await g.change('main')
    await g.run()
    await g.ended('failure')
    await g.change('main')
    await g.change('main')
    await g.change('other')
    await g.run()
    await g.run()
    t.deepEqual(
      (await g.sets()).map(({branch, changes}) => [branch, changes]),
      [
        ['main', '1'],
        ['other', '1'],
      ],
    )
    t.like(await g.held(), [
      {branch: 'main', code: 'red', text: 'held since b #1; needs [testfix] or a force'},
      {branch: 'main', code: 'red', scheduler: 's'},
    ])
    t.is((await g.held()).length, 2)
  },
)

eachDatabase(
  'a marked change is built with all that landed before it, and what comes after it is held again',
  async (t, store) => {
    const g = await given(t, store, minding())
    await g.ended('failure')
    await g.change('main')
    await g.run()
    await g.change('main', ['a'], 'mend it [TestFix]')
    await g.run()
    t.like(await g.sets(), [{branch: 'main', changes: '2', revision: '2'.padStart(40, '0')}])
    await g.change('main')
    await g.run()
    t.is((await g.sets()).length, 1, 'the test fix has not been judged yet')
    t.is((await g.held()).length, 1)
    await g.ended('success')
    await g.run()
    t.like((await g.sets())[1], {branch: 'main', changes: '1', revision: '3'.padStart(40, '0')})
    t.deepEqual(await g.held(), [])
  },
)

eachDatabase(
  'a green build, however it was asked for, ends it, also for a master that starts anew',
  async (t, store) => {
    const g = await given(t, store, minding())
    await g.ended('failure')
    await g.change('main')
    await g.change('main')
    await g.run()
    await g.ended('success')
    await schedules(g.world).run()
    t.like(await g.sets(), [{branch: 'main', changes: '2', revision: '2'.padStart(40, '0')}])
    await g.change('main')
    await g.run()
    t.is((await g.sets()).length, 2)
  },
)

eachDatabase(
  'builds that judged nothing, or other repositories and branches, make no branch red',
  async (t, store) => {
    const g = await given(t, store, minding())
    await g.ended('success')
    for (const result of ['exception', 'cancelled', 'skipped']) await g.ended(result)
    await g.ended('failure', {repository: 'elsewhere'})
    await g.ended('failure', {branch: 'other'})
    await g.ended('failure', {builder: 'c'})
    await g.change('main')
    await g.run()
    t.is((await g.sets()).length, 1)
  },
)

eachDatabase(
  'with a tree-stable timer changes wait for the quiet, and then for the mending',
  async (t, store) => {
    const g = await given(t, store, minding(', treeStableTimer: 1h'))
    const quiet = async () => {
      await store.query(`UPDATE changes SET recorded_at = recorded_at - interval '2 hours'`)
      await store.query(`UPDATE schedulers SET due_at = now() - interval '1 second'`)
      await g.run()
    }
    await g.ended('failure')
    await g.change('main')
    await g.run()
    t.like(await g.held(), [{code: 'red'}])
    await quiet()
    t.is((await g.sets()).length, 0)
    await g.change('main', ['a'], '[testfix]')
    await g.run()
    t.like(await g.held(), [
      {code: 'unstable', text: 'held until the branch was quiet for 3600 s'},
      {code: 'unstable'},
    ])
    await quiet()
    t.like(await g.sets(), [{branch: 'main', changes: '2'}])
  },
)

eachDatabase('a scheduler that minds red no more builds what it held', async (t, store) => {
  const g = await given(t, store, minding())
  await g.ended('failure')
  await g.change('main')
  await g.change('main')
  await g.run()
  t.is((await g.sets()).length, 0)
  await g.world.reconfigure(yaml(minding().replace('testfix', 'build')))
  await store.query(`UPDATE schedulers SET due_at = now() - interval '1 second'`)
  await g.run()
  t.is((await g.sets()).length, 2)
})

eachDatabase('what is held is due again soon: the word of a build’s end may be lost', async (t, store) => {
  const g = await given(t, store, minding())
  await g.ended('failure')
  await g.change('main')
  const again = (await g.run()) ?? Infinity
  t.true(again > 0 && again <= 60_000, String(again))
})
