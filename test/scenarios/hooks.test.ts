// Forges that tell of pushes: GitHub, Gitea and GitLab through the real server, told rightly, wrongly, twice and too much.
import {createHmac} from 'node:crypto'
import test from 'ava'
import type {Build, Change, Page} from '../../scripts/api.ts'
import {Repository} from '../support/repository.ts'
import {sharedSystem, System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const key = 'the hooks have this key'
const secret = {secret: 'hook'}
const dialects = ['github', 'gitea', 'gitlab'] as const
type Dialect = (typeof dialects)[number]

const system = sharedSystem({
  config: () =>
    written(
      dialects.map((name) => builder(name, [sh('s', `echo built ${name}`)])),
      {
        changeSources: dialects.map((dialect) => ({name: dialect, kind: 'webhook', dialect, secret})),
        schedulers: dialects.map((name) => ({
          name,
          kind: 'singleBranch',
          source: name,
          branch: 'main',
          builders: [name],
        })),
      },
    ),
  workers: ['w1'],
  env: {OSTLER_SECRET_HOOK: key},
})

const revision = (n: number) => n.toString(16).padStart(40, 'a')
const commit = (n: number) => ({
  id: revision(n),
  message: `commit ${n}`,
  timestamp: '2026-01-02T03:04:05Z',
  url: `https://forge.example.org/c/${n}`,
  author: {name: 'Ann', email: 'ann@example.org'},
  added: [`file-${n}`],
  removed: [],
  modified: [],
})

/** A push of these commits, in the order in which the dialect lists them. */
function push(dialect: Dialect, numbers: readonly number[]) {
  const commits = numbers.map(commit)
  const after = revision(numbers.at(-1) ?? 0)
  const repository = {
    full_name: 'o/r',
    clone_url: 'https://forge.example.org/o/r.git',
    path_with_namespace: 'o/r',
    git_http_url: 'https://forge.example.org/o/r.git',
  }
  const listed = dialect === 'gitea' ? commits.toReversed() : commits
  return {
    object_kind: 'push',
    ref: 'refs/heads/main',
    before: revision(0),
    after,
    commits: listed,
    head_commit: commits.at(-1),
    repository,
    project: repository,
  }
}

let deliveries = 0
function headersFor(dialect: Dialect, body: string, withKey = key): Record<string, string> {
  const id = `delivery-${++deliveries}`
  const hex = createHmac('sha256', withKey).update(body).digest('hex')
  const own = {
    github: {'x-github-event': 'push', 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${hex}`},
    gitea: {'x-gitea-event': 'push', 'x-gitea-delivery': id, 'x-gitea-signature': hex},
    gitlab: {'x-gitlab-event': 'Push Hook', 'x-gitlab-event-uuid': id, 'x-gitlab-token': withKey},
  }
  return {'content-type': 'application/json', ...own[dialect]}
}

async function deliver(source: string, body: string, headers: Record<string, string>, at: System = system()) {
  const answer = await fetch(`${at.master.url}/api/v1/hooks/${source}`, {method: 'POST', body, headers})
  return {status: answer.status, body: await answer.text()}
}

const changesOf = async (source: string) =>
  (await system().api.all<Change>('/changes')).filter((change) => change.source === source).toReversed()

for (const [n, dialect] of dialects.entries())
  test(`pushes told in the dialect ${dialect} become changes in order, once, and are built`, async (t) => {
    const numbers = [1, 2, 3].map((each) => 100 * n + each)
    const body = JSON.stringify(push(dialect, numbers))
    const headers = headersFor(dialect, body)
    const first = await deliver(dialect, body, headers)
    t.is(first.status, 202, first.body)
    t.deepEqual(await deliver(dialect, body, headers), first)
    t.deepEqual(
      (await changesOf(dialect)).map(({revision}) => revision),
      numbers.map(revision),
    )
    const [change] = await changesOf(dialect)
    t.like(change, {
      branch: 'main',
      author: 'Ann <ann@example.org>',
      message: `commit ${numbers[0]}`,
      files: [`file-${numbers[0]}`],
    })
    const built = await system().until('the pushes are built', async () => {
      const {items} = await system().api.get<Page<Build>>(`/builds?builder=${dialect}`)
      const finished = items.filter(({state}) => state === 'finished')
      const hasTip = finished.some(
        ({sourceStamps}) => sourceStamps[0]?.revision === revision(numbers.at(-1) ?? 0),
      )
      return hasTip ? finished : null
    })
    t.true(built.every(({result}) => result === 'success'))
  })

test('a delivery that does not prove itself is refused and adds nothing', async (t) => {
  for (const dialect of dialects) {
    const body = JSON.stringify(push(dialect, [900]))
    t.is((await deliver(dialect, body, headersFor(dialect, body, 'another key'))).status, 401, dialect)
    t.is((await deliver(dialect, body, {'content-type': 'application/json'})).status, 401, dialect)
    t.is(
      (await deliver(dialect, `${body} `, dialect === 'gitlab' ? {} : headersFor(dialect, body))).status,
      401,
      dialect,
    )
    t.false((await changesOf(dialect)).some((change) => change.revision === revision(900)))
  }
  t.is((await deliver('nowhere', '{}', {})).status, 404)
})

test('a delivery of 30 MB is refused, and the master goes on', async (t) => {
  const body = JSON.stringify({...push('github', [901]), filler: 'x'.repeat(30 * 1024 * 1024)})
  const answer = await deliver('github', body, headersFor('github', body)).catch((error: unknown) =>
    String((error as {cause?: {code?: string}}).cause?.code),
  )
  // The refusal may come as a reset, since the rest is still under way.
  t.true(
    typeof answer === 'string' ? /EPIPE|ECONNRESET/.test(answer) : answer.status === 413,
    JSON.stringify(answer).slice(0, 200),
  )
  t.is((await fetch(`${system().master.url}/healthz`)).status, 200)
})

test('a delivery that is not JSON, or not a push, is refused with the reason', async (t) => {
  const told = async (body: string) => deliver('github', body, headersFor('github', body))
  t.is((await told('{"ref"')).status, 400)
  t.is((await told('[]')).status, 422)
  t.regex(
    (await told(JSON.stringify({...push('github', [902]), commits: [{id: '--upload-pack=x'}]}))).body,
    /commits/,
  )
  t.is((await told(JSON.stringify({...push('github', [903]), ref: 'refs/tags/v1'}))).status, 202)
})

test('a hook that wakes a git source makes its poller look at once', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('first')
  await repository.push('main')
  const changeSources = [
    {name: 'repo', kind: 'git', url: `file://${repository.server}`, branches: ['**'], pollInterval: '1h'},
    {name: 'forge', kind: 'webhook', dialect: 'github', secret, wakes: 'repo'},
  ]
  const woken = await System.start(t, {
    config: () => written([builder('b', [sh('s', 'true')])], {changeSources}),
    env: {OSTLER_SECRET_HOOK: key},
  })
  const recorded = async () => (await woken.api.all<Change>('/changes')).map(({message}) => message.trim())
  await woken.until('the first look', async () => ((await recorded()).length === 1 ? true : null))
  await repository.commit('second')
  const last = await repository.commit('third')
  await repository.push('main')
  const body = JSON.stringify(push('github', [904]))
  t.is((await deliver('forge', body, headersFor('github', body), woken)).status, 202)
  await woken.until('the second look', async () => ((await recorded()).length === 3 ? true : null), 10_000)
  t.deepEqual(await recorded(), ['third', 'second', 'first'])
  t.is((await woken.api.all<Change>('/changes'))[0]?.revision, last)
})
