// New commits become changes: each once, in order, whatever the server does in between.
import {rename} from 'node:fs/promises'
import {openChanges} from '../../../master/flow/changes.ts'
import type {ChangesWorld} from '../../../master/flow/changes.ts'
import {recordChanges, wakeSource} from '../../../master/world/store/changes.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {configOf, eventsOf, openWorld} from '../../support/promoting.ts'
import {Repository} from '../../support/repository.ts'

/** Wakes the source and waits until it was asked. */
async function poll(world: ChangesWorld, repository: Repository, branches = ['**']): Promise<void> {
  const stage = openChanges(world)
  await wakeSource(world.store, 'repo')
  await stage.run(configOf([repository.source({branches})]))
  await stage.settled()
}

const revisions = async (store: Store, branch = 'main') =>
  (
    await store.query<{revision: string}>('SELECT revision FROM changes WHERE branch = $1 ORDER BY id', [
      branch,
    ])
  ).map((row) => row.revision)

eachDatabase(
  'the first sight of a repository is the tip of each branch, a push is every commit in order, once',
  async (t, store) => {
    const repository = await Repository.make(t)
    const [, , third] = (await repository.commits('main', 3)) as [string, string, string]
    await repository.push('main', 'main:topic')
    const world = await openWorld(t, store)
    await poll(world, repository)
    t.deepEqual([await revisions(store), await revisions(store, 'topic')], [[third], [third]])
    const pushed = await repository.commits('main', 300)
    await repository.push('main')
    await poll(world, repository)
    await poll(world, repository)
    t.deepEqual(await revisions(store), [third, ...pushed])
    t.is((await eventsOf(store, 'change.added')).length, 302)
    const [last] = (await eventsOf(store, 'change.added')).slice(-1)
    t.like(last?.data, {source: 'repo', branch: 'main', revision: pushed.at(-1)})
    t.true(world.rings.includes('schedules'))
    const [row] = await store.query<{files: string[]; author: string}>(
      'SELECT files, author FROM changes ORDER BY id DESC LIMIT 1',
    )
    t.deepEqual(row, {files: ['file-299'], author: 'Ann <ann@example.org>'})
  },
)

eachDatabase(
  'a rewritten branch gives only what is new, a deleted one nothing, a new one its own commits',
  async (t, store) => {
    const repository = await Repository.make(t)
    const one = await repository.commit('one')
    await repository.push('main')
    const world = await openWorld(t, store)
    await poll(world, repository)
    const two = await repository.commit('two')
    await repository.push('main')
    await poll(world, repository)
    await repository.git('reset', '--quiet', '--hard', one)
    const other = await repository.commit('other')
    await repository.push('-f', 'main')
    await poll(world, repository)
    await repository.push('-f', `${two}:refs/heads/main`)
    await poll(world, repository)
    t.deepEqual(await revisions(store), [one, two, other])
    await repository.push('-f', `${one}:refs/heads/main`)
    await poll(world, repository)
    t.deepEqual(await revisions(store), [one, two, other])

    await repository.git('checkout', '--quiet', '-b', 'topic')
    const own = [await repository.commit('own 1'), await repository.commit('own 2')]
    await repository.push('topic', `${one}:refs/heads/same`)
    await poll(world, repository)
    t.deepEqual(await revisions(store, 'topic'), [other, ...own])
    t.deepEqual(await revisions(store, 'same'), [one])
    await repository.push(':topic', ':same')
    await poll(world, repository)
    const [row] = await store.query<{refs: Record<string, string>}>('SELECT refs FROM repositories')
    t.deepEqual(row?.refs, {main: one})
  },
)

eachDatabase(
  'only the configured branches count, and a newly configured one is not a push of its history',
  async (t, store) => {
    const repository = await Repository.make(t)
    await repository.commits('main', 2)
    const old = await repository.commits('release/1', 5)
    await repository.push('main', 'release/1', 'main:release/a/b')
    const world = await openWorld(t, store)
    await poll(world, repository, ['main'])
    t.deepEqual(await revisions(store, 'release/1'), [])
    await poll(world, repository, ['main', 'release/*'])
    t.deepEqual(await revisions(store, 'release/1'), [old.at(-1)])
    t.deepEqual(await revisions(store, 'release/a/b'), [])
  },
)

eachDatabase(
  'an unreachable server is asked ever more rarely, told of once, and recovers',
  async (t, store) => {
    const repository = await Repository.make(t)
    await repository.commit('one')
    await repository.push('main')
    const world = await openWorld(t, store)
    await poll(world, repository)
    await rename(repository.server, `${repository.server}.away`)
    const waits: number[] = []
    for (let n = 0; n < 7; n += 1) {
      await poll(world, repository)
      const [row] = await store.query<{failures: number; error: string; ms: number}>(
        'SELECT failures, error, (extract(epoch FROM next_poll_at - now()) * 1000)::double precision AS ms FROM repositories',
      )
      t.is(row?.failures, n + 1)
      t.regex(row?.error ?? '', /fetching repo/)
      waits.push(Math.round((row?.ms ?? 0) / 60_000))
    }
    t.deepEqual(waits, [2, 4, 8, 10, 10, 10, 10])
    await rename(`${repository.server}.away`, repository.server)
    const two = await repository.commit('two')
    await repository.push('main')
    await poll(world, repository)
    t.is((await revisions(store)).at(-1), two)
    t.deepEqual(
      (await eventsOf(store, 'source.failed', 'source.recovered')).map(({type}) => type),
      ['source.failed', 'source.recovered'],
    )
  },
)

eachDatabase('two masters that ask at once record a push once', async (t, store) => {
  const repository = await Repository.make(t)
  await repository.commit('one')
  await repository.push('main')
  const worlds = [await openWorld(t, store), await openWorld(t, store, {master: 'two'})] as const
  await poll(worlds[0], repository)
  const pushed = await repository.commits('main', 20)
  await repository.push('main')
  // Without leases, so that nothing but the row itself keeps them apart.
  await Promise.all(worlds.map(({whileHolding: _, ...world}) => poll(world, repository)))
  t.deepEqual((await revisions(store)).slice(1), pushed)
  t.is((await eventsOf(store, 'change.added')).length, 21)
})

eachDatabase(
  'a source that is not due is left alone, one whose address changed starts afresh',
  async (t, store) => {
    const repository = await Repository.make(t)
    await repository.commit('one')
    await repository.push('main')
    const world = await openWorld(t, store)
    const stage = openChanges(world)
    const config = configOf([repository.source()])
    await stage.run(config)
    await stage.settled()
    const two = await repository.commit('two')
    await repository.push('main')
    const again = await stage.run(config)
    await stage.settled()
    t.true(again > 50_000 && again <= 60_000)
    t.is((await revisions(store)).length, 1)
    await stage.run(configOf([repository.source({url: repository.server})]))
    await stage.settled()
    t.is((await revisions(store)).at(-1), two)
  },
)

eachDatabase('a change holds any text, and is recorded once', async (t, store) => {
  const change = {
    source: 'hook',
    repository: 'r',
    branch: 'main',
    revision: 'r1',
    parents: [],
    author: 'NUL \0 and half \ud800',
    message: 'm'.repeat(70_000),
    files: ['a"b\\c', '{x}', 'line\nfeed'],
    filesMore: 3,
    link: null,
    committedAt: null,
  }
  const twice = await store.transaction((tx) => recordChanges(tx, [change, change]))
  t.is(twice.length, 1)
  t.is((await store.transaction((tx) => recordChanges(tx, [change]))).length, 0)
  const [row] = await store.query<{author: string; files: string[]}>('SELECT author, files FROM changes')
  t.deepEqual(row, {author: 'NUL \ufffd and half \ufffd', files: change.files})
})
