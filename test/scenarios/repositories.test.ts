// Repositories as they are: many commits at once, merges, odd messages, names and refs, rewritten history, servers away.
import {execFileSync} from 'node:child_process'
import {existsSync, renameSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {Change, Page} from '../../scripts/api.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')

/** Commits that no careful person makes, after what `branch` has. */
function strange(parent: string): Buffer {
  const megabyte = `subject\n\n${'a long line of text\n'.repeat(55_000)}`
  const commit = (mark: number, from: string, more: string, message = `strange ${mark}`, author = 'Ann') =>
    `commit refs/heads/main\nmark :${mark}\nauthor ${author} <a@example.org> 1700001000 +0000\ncommitter Ann <a@example.org> 1700001000 +0000\ndata ${message.length}\n${message}\nfrom ${from}\n${more}\n`
  return bytes(
    [
      commit(1, parent, ''),
      commit(2, ':1', 'M 644 inline a\ndata 1\nx\n', megabyte),
      commit(
        3,
        ':2',
        'M 644 inline "\\377\\376 new\\nline \\"quoted\\" --option"\ndata 1\nx\nM 644 inline "-rf"\ndata 1\nx\n',
      ),
      commit(4, ':3', 'M 644 inline b\ndata 1\nx\n', 'caf\xe9 \x01\x02', 'J\xf6rg \xff'),
      ...Array.from({length: 30}, (_, n) => [
        commit(100 + 2 * n, n === 0 ? ':4' : `:${99 + 2 * n}`, `M 644 inline side-${n}\ndata 1\nx\n`),
        commit(
          101 + 2 * n,
          n === 0 ? ':4' : `:${99 + 2 * n}`,
          `merge :${100 + 2 * n}\nM 644 inline side-${n}\ndata 1\nx\n`,
        ),
      ]).flat(),
    ].join(''),
  )
}

async function started(t: ExecutionContext, repository: Repository): Promise<System> {
  const changeSources = [
    {name: 'repo', kind: 'git', url: `file://${repository.server}`, branches: ['**'], pollInterval: '1s'},
  ]
  const system = await System.start(t, {
    config: () => written([builder('b', [sh('s', 'true')])], {changeSources}),
  })
  await system.until('the first look', async () =>
    (await changesOn(system, 'main')).length > 0 ? true : null,
  )
  return system
}

const changesOn = async (system: System, branch: string) =>
  (await system.api.all<Change>('/changes')).filter((change) => change.branch === branch).toReversed()

interface SourceState {
  readonly name: string
  readonly failures: number
  readonly error: string | null
  readonly branches: Record<string, string>
}
const sourceOf = async (system: System) => (await system.api.get<Page<SourceState>>('/sources')).items[0]

test('whatever is pushed becomes changes in order and once, and the pages go on', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('first')
  await repository.push('main')
  const system = await started(t, repository)
  const old = await repository.git('rev-parse', 'HEAD')
  const many = await repository.commits('main', 300)
  await repository.fastImport(strange(many.at(-1) ?? ''))
  await repository.push('--force', 'main')
  const parents = new Map(
    (await repository.git('rev-list', '--parents', `${old}..main`)).split('\n').map((line) => {
      const [commit = '', ...rest] = line.split(' ')
      return [commit, rest] as const
    }),
  )
  const changes = await system.until('all are recorded', async () => {
    const found = await changesOn(system, 'main')
    return found.length >= parents.size + 1 ? found : null
  })
  t.is(changes.length, 365)
  const places = new Map(changes.map(({revision}, place) => [revision, place]))
  t.is(places.size, changes.length)
  for (const [commit, before] of parents)
    for (const parent of before) t.true((places.get(parent) ?? Infinity) < (places.get(commit) ?? -1), commit)
  t.deepEqual(
    changes.slice(1, 301).map(({revision}) => revision),
    many,
  )
  const text = await system.api.text('/changes?limit=500')
  t.true(text.length < 20_000_000)
  t.true(changes.some(({author}) => /^J.rg/.test(author)))
  t.true(changes.some(({files}) => files.some((file) => file.includes('--option'))))
  for (const path of ['/waterfall', '/sources', '/builders'])
    t.is((await system.api.fetch(path)).status, 200, path)
  t.is((await fetch(system.master.url)).status, 200)
})

test('rewritten, deleted and new branches are followed, also those whose names look like options', async (t) => {
  const repository = await Repository.make(t)
  const first = await repository.commit('first')
  await repository.commit('second')
  await repository.push('main')
  const system = await started(t, repository)
  await repository.git('reset', '--hard', '--quiet', first)
  const third = await repository.commit('third')
  await repository.push('--force', 'main')
  await system.until('the new history is seen', async () =>
    (await changesOn(system, 'main')).at(-1)?.revision === third ? true : null,
  )
  const evil = [`--upload-pack=touch ${system.folder}/evil`.replaceAll(' ', '_'), '-x', '--help']
  const server = (...argv: string[]) => execFileSync('git', ['--git-dir', repository.server, ...argv])
  for (const name of evil) server('update-ref', `refs/heads/${name}`, third)
  await repository.git('branch', 'topic/a')
  await repository.push('topic/a')
  await system.until('the new branch is seen', async () =>
    (await changesOn(system, 'topic/a')).length === 1 ? true : null,
  )
  server('update-ref', '-d', 'refs/heads/topic/a')
  await system.until('the branch is gone', async () =>
    (await sourceOf(system))?.branches['topic/a'] === undefined ? true : null,
  )
  const fourth = await repository.commit('fourth')
  await repository.push('main')
  await system.until('the poller goes on', async () =>
    (await changesOn(system, 'main')).at(-1)?.revision === fourth ? true : null,
  )
  t.false(existsSync(join(system.folder, 'evil')))
  t.is((await sourceOf(system))?.failures, 0)
  t.is((await system.api.fetch('/waterfall')).status, 200)
})

test('a server that cannot be reached is backed off from, shown, and looked at again', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('first')
  await repository.push('main')
  const system = await started(t, repository)
  const second = await repository.commit('second')
  await repository.push('main')
  await system.until('the second is seen', async () =>
    (await changesOn(system, 'main')).length === 2 ? true : null,
  )
  renameSync(repository.server, `${repository.server}.away`)
  await system.event(({type, data}) => type === 'source.failed' && data['source'] === 'repo')
  const failed = await system.until('it failed twice', async () => {
    const source = await sourceOf(system)
    return source && source.failures >= 2 ? source : null
  })
  t.truthy(failed.error)
  t.is(failed.branches['main'], second)
  t.is((await fetch(`${system.master.url}/healthz`)).status, 200)
  renameSync(`${repository.server}.away`, repository.server)
  const third = await repository.commit('third')
  await repository.push('main')
  await system.event(({type, data}) => type === 'source.recovered' && data['source'] === 'repo')
  t.is((await changesOn(system, 'main')).at(-1)?.revision, third)
  t.is((await sourceOf(system))?.error, null)
})
