// A look of the promotions at many branches a long way behind, asked of many builders, right after a commit has landed; and,
// beside it, the bare fetch of such a commit.
import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {runPromotions} from '../../master/flow/promotions.ts'
import {openStore} from '../../master/world/store/database.ts'
import {addBuild, configOf, fastForward, greenOf, openWorld} from '../support/promoting.ts'
import {Repository} from '../support/repository.ts'
import type {Sample} from './figures.ts'
import {createDatabase, dropDatabase, type Server} from './grounds.ts'
import {builderNamed} from '../support/builders.ts'

const size = {branches: 50, commits: 10_000, builders: 200}
const run = promisify(execFile)

/** Seconds of a look that finds one new commit; `quiet` is one that finds none. */
export async function promotionLook(folder: string, server: Server): Promise<Sample> {
  return await within(async (owner) => {
    const repository = await Repository.make(owner)
    const names = Array.from({length: size.branches}, (_, n) => `stable-${String(n)}`)
    await longHistory(repository, names)
    const name = `bench_${randomBytes(4).toString('hex')}`
    const url = server === null ? null : await createDatabase(server, name)
    if (server !== null) owner.teardown(() => dropDatabase(server, name))
    const stateDir = join(folder, name)
    mkdirSync(stateDir)
    const store = await openStore({url, stateDir, say: () => undefined})
    owner.teardown(() => store.close())
    const builders = Array.from({length: size.builders}, (_, n) => `b${String(n)}`)
    const each = size.builders / size.branches
    const rules = names.map((to, n) =>
      fastForward({
        name: to,
        to,
        green: greenOf({policy: 'newestGreen', builders: builders.slice(n * each, (n + 1) * each)}),
      }),
    )
    const config = {
      ...configOf([repository.source()], rules),
      builders: builders.map((name) => builderNamed(name, {collapseRequests: true})),
    }
    const world = await openWorld(owner, store)
    const look = async () => {
      const startedAt = performance.now()
      const reports = await runPromotions(world, config, {actor: 'schedule'})
      const bad = reports.find(({verdict, error}) => verdict !== 'wait' || error !== null)
      if (bad) throw new Error(`${bad.rule} said ${bad.verdict}: ${bad.error ?? bad.reasons.join('; ')}`)
      return (performance.now() - startedAt) / 1000
    }
    const first = await look()
    const newest = await repository.commit('one more')
    await repository.push('HEAD:main')
    for (const [n, builder] of builders.entries())
      await addBuild(store, newest, n % each === 0 ? 'failure' : 'success', {builder})
    const value = await look()
    return {value, details: {...size, first, quiet: await look()}}
  })
}

/** Seconds of a bare `git fetch` of one new commit beside as many branches. */
export async function bareFetch(): Promise<Sample> {
  return await within(async (owner) => {
    const repository = await Repository.make(owner)
    await longHistory(
      repository,
      Array.from({length: size.branches}, (_, n) => `stable-${String(n)}`),
    )
    const mirror = join(repository.home, 'mirror.git')
    await run('git', ['clone', '--quiet', '--mirror', `file://${repository.server}`, mirror])
    await repository.commit('one more')
    await repository.push('HEAD:main')
    const startedAt = performance.now()
    await run('git', ['fetch', '--quiet', '--prune', 'origin'], {cwd: mirror})
    return {value: (performance.now() - startedAt) / 1000, details: {}}
  })
}

/** A long line of commits, and branches that are at its beginning. */
async function longHistory(repository: Repository, branches: readonly string[]): Promise<void> {
  const revisions = await repository.commits('main', size.commits)
  await repository.git('checkout', '--quiet', 'main')
  await repository.push('main', ...branches.map((name) => `${revisions[0] ?? ''}:refs/heads/${name}`))
}

/** Gives the work an owner of what it makes, and ends all that when it is done. */
async function within<T>(work: (owner: {teardown: (end: () => unknown) => void}) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = []
  try {
    return await work({teardown: (end) => void ends.push(end)})
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
