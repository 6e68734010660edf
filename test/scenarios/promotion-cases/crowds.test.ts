// Numbered case 45: many branches, a long way behind, many builders. What grows is the work of one look, not its questions.
import type {Store} from '../../../master/world/store/store.ts'
import {runPromotions} from '../../../master/flow/promotions.ts'
import {eachDatabase} from '../../support/database.ts'
import {addBuild, configOf, fastForward, greenOf, openWorld, stateDirectory} from '../../support/promoting.ts'
import {MeddledGit} from '../../support/promotion-scene.ts'
import {Repository} from '../../support/repository.ts'
import {builderNamed} from '../../support/builders.ts'

/** Commits on main that each write the same file; answers the first and the last. */
async function longHistory(repository: Repository, count: number): Promise<[string, string]> {
  const commits = Array.from(
    {length: count},
    (_, n) =>
      `commit refs/heads/main\nmark :${String(n + 1)}\ncommitter Ann <ann@example.org> ${String(1_700_000_000 + n)} +0000\ndata 1\nx\nM 644 inline file\ndata ${String(String(n).length)}\n${String(n)}\n\n`,
  )
  await repository.fastImport(Buffer.from(commits.join('')))
  return [
    await repository.git('rev-list', '--max-parents=0', 'main'),
    await repository.git('rev-parse', 'main'),
  ]
}

/** A store that counts what it is asked. */
function counting(store: Store): {store: Store; queries: () => number} {
  let queries = 0
  const counted = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (key === 'query')
        return async (...asked: Parameters<Store['query']>) => {
          queries += 1
          return await target.query(...asked)
        }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return {store: counted, queries: () => queries}
}

eachDatabase(
  'case 45: fifty branches, 10,000 commits and 200 builders are asked about in as many queries as one, after one fetch',
  async (t, store) => {
    const repository = await Repository.make(t)
    const [oldest, newest] = await longHistory(repository, 10_000)
    const names = Array.from({length: 50}, (_, n) => `stable-${String(n)}`)
    await repository.push('main', ...names.map((name) => `${oldest}:refs/heads/${name}`))
    const builders = Array.from({length: 200}, (_, n) => `b${String(n)}`)
    const rules = names.map((name, n) =>
      fastForward({
        name,
        to: name,
        // The last builder of each is red on the newest commit, and says so; nothing is promoted.
        green: greenOf({policy: 'newestGreen', builders: builders.slice(n * 4, n * 4 + 4)}),
      }),
    )
    for (const builder of builders)
      await addBuild(store, newest, Number(builder.slice(1)) % 4 === 3 ? 'failure' : 'success', {builder})
    const look = async (count: number) => {
      const git = new MeddledGit({stateDir: await stateDirectory(t), secret: async () => ''})
      const world = await openWorld(t, store, {git})
      const counted = counting(store)
      const config = {
        ...configOf([repository.source()], rules.slice(0, count)),
        builders: builders.map((name) => builderNamed(name, {collapseRequests: true})),
      }
      const began = performance.now()
      const reports = await runPromotions({...world, store: counted.store}, config, {
        actor: 'ann',
        dryRun: true,
      })
      t.log(`${String(count)} rules: ${Math.round(performance.now() - began)} ms`)
      const again = performance.now()
      await runPromotions({...world, store: counted.store}, config, {actor: 'ann', dryRun: true})
      t.log(`again: ${Math.round(performance.now() - again)} ms`)
      return {reports, queries: counted.queries(), fetches: git.fetches}
    }
    const quiet = async (count: number) => {
      const world = await openWorld(t, store, {
        git: new MeddledGit({stateDir: await stateDirectory(t), secret: async () => ''}),
      })
      const config = {
        ...configOf([repository.source()], rules.slice(0, count)),
        builders: builders.map((name) => builderNamed(name, {collapseRequests: true})),
      }
      await runPromotions(world, config, {actor: 'ann'})
      const counted = counting(store)
      await runPromotions({...world, store: counted.store}, config, {actor: 'ann'})
      return counted.queries()
    }
    const one = await look(1)
    const all = await look(50)
    t.is(await quiet(50), await quiet(1), 'a look that writes down that all stands asks no more, either')
    t.is(all.queries, one.queries)
    t.deepEqual([one.fetches, all.fetches], [2, 2])
    t.is(all.reports.length, 50)
    for (const {verdict, lag, reasons} of all.reports) {
      t.deepEqual([verdict, lag.commits], ['wait', 9_999])
      t.regex(reasons.join(), /b\d+ #1: failed/)
    }
  },
)
