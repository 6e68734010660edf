// The resources of the API: what they answer, what they record, and what they refuse.
import {createHash} from 'node:crypto'
import {gunzipSync} from 'node:zlib'
import {addBuild, eachFront} from './front.ts'

type Problems = {code: string; problems: {path: string; message: string}[]}

eachFront('builds are listed newest first in pages, by every filter', async (t, front) => {
  for (let n = 0; n < 5; n++) await addBuild(front, null, {result: n === 2 ? 'failure' : 'success'})
  await addBuild(front, null, {builder: 'bsd'})
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: {items: {id: string}[]; next: string | null} = (
      await front.ask({url: `/api/v1/builds?builder=linux&limit=2${cursor && `&cursor=${cursor}`}`})
    ).json()
    seen.push(...page.items.map((build) => build.id))
    cursor = page.next
  }
  t.is(seen.length, 5)
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => Number(b) - Number(a)),
  )
  const counts: [string, number][] = [
    ['result=failure', 1],
    ['branch=main&builder=bsd', 1],
    ['branch=none', 0],
    ['revision=abcdef12', 6],
    ['state=running', 0],
    ['worker=bob', 6],
  ]
  for (const [query, n] of counts)
    t.is(
      (await front.ask({url: `/api/v1/builds?${query}`})).json<{items: unknown[]}>().items.length,
      n,
      query,
    )
  for (const query of ['limit=0', 'limit=501', 'limit=x', 'cursor=x', 'result=odd']) {
    const answer = await front.ask({url: `/api/v1/builds?${query}`})
    t.is(answer.statusCode, 400, query)
    t.is(answer.json<Problems>().problems.length, 1)
  }
  for (const id of ['0', 'x', '1e3', '-1', '99999999999999999999', '1%00'])
    t.is((await front.ask({url: `/api/v1/builds/${id}`})).statusCode, 404, id)
})

eachFront(
  'a log is given whole, compressed as it lies, by lines, searched, and so while it grows',
  async (t, front) => {
    const text = Array.from({length: 500}, (_, n) => `line ${n} ${n % 100 === 7 ? 'Wärning' : ''}\n`).join('')
    for (const complete of [true, false]) {
      const {log} = await addBuild(front, text, {complete})
      const url = `/api/v1/logs/${log}/raw`
      const plain = await front.ask({url})
      t.is(plain.body, text)
      t.is(plain.headers['content-type'], 'text/plain; charset=utf-8')
      const zipped = await front.ask({url, headers: {'accept-encoding': 'br, gzip'}})
      t.is(zipped.headers['content-encoding'], 'gzip')
      t.is(gunzipSync(zipped.rawPayload).toString(), text)
      t.is(
        (await front.ask({url, headers: {'accept-encoding': 'gzip;q=0'}})).headers['content-encoding'],
        undefined,
      )
      t.is((await front.ask({url: `${url}?from=498&lines=5`})).body, 'line 498 \nline 499 \n')
      t.is((await front.ask({url: `${url}?from=3&lines=1`})).body, 'line 3 \n')
      t.is((await front.ask({url: `${url}?from=9999`})).body, '')
      t.deepEqual((await front.ask({url: `${url}?search=w%C3%A4RNING`})).json(), {
        lines: [7, 107, 207, 307, 407],
        more: false,
      })
    }
    t.is((await front.ask({url: '/api/v1/logs/999/raw'})).statusCode, 404)
  },
)

eachFront('an artifact can be saved, in parts too, and never shown', async (t, front) => {
  const {build, attempt} = await addBuild(front, null, {complete: false})
  const bytes = Buffer.from('<script>alert(1)</script>')
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const put = (hash: string, payload: Buffer, fence: string) =>
    front.ask({
      method: 'PUT',
      url: `/worker/artifacts/${hash}`,
      payload,
      as: 'worker',
      headers: {'content-type': 'application/octet-stream', 'ostler-attempt': fence},
    })
  t.is((await put(sha256, bytes, attempt)).statusCode, 201)
  t.is((await put(sha256, bytes, attempt)).statusCode, 200)
  t.like((await put('0'.repeat(64), bytes, attempt)).json(), {status: 422, code: 'mismatch'})
  t.like((await put(sha256, bytes, '999')).json(), {status: 409, code: 'not-yours'})
  t.is((await put('..%2f..%2fx', bytes, attempt)).statusCode, 422)
  await front.store.query(`UPDATE attempts SET worker = 'alice' WHERE id = $1`, [attempt])
  t.like((await put(sha256, bytes, attempt)).json(), {status: 409, code: 'not-yours'})
  const [row] = await front.store.query<{id: string}>(
    `INSERT INTO artifacts (build_id, attempt, step, name, path, bytes, sha256) VALUES ($1, $2, 0, 'dist', $3, $4, $5) RETURNING id`,
    [build, attempt, '../../a/"ev\r\nil".html', bytes.length, sha256],
  )
  const whole = await front.ask({url: `/api/v1/artifacts/${row?.id}`})
  t.is(whole.body, bytes.toString())
  t.is(
    whole.headers['content-disposition'],
    `attachment; filename="_ev__il_.html"; filename*=UTF-8''%22ev%0D%0Ail%22.html`,
  )
  t.is(whole.headers['content-security-policy'], "sandbox; default-src 'none'")
  t.is(whole.headers['x-content-type-options'], 'nosniff')
  const ranges: [string, number, string][] = [
    ['bytes=0-7', 206, '<script>'],
    ['bytes=-9', 206, '</script>'],
    ['bytes=8-', 206, 'alert(1)</script>'],
    ['bytes=0-0,2-3', 200, bytes.toString()],
    ['nonsense', 200, bytes.toString()],
  ]
  for (const [range, status, body] of ranges) {
    const part = await front.ask({url: `/api/v1/artifacts/${row?.id}`, headers: {range}})
    t.deepEqual([part.statusCode, part.body], [status, body], range)
  }
  t.is(
    (await front.ask({url: `/api/v1/artifacts/${row?.id}`, headers: {range: 'bytes=99-'}})).statusCode,
    416,
  )
})

eachFront('a force asks for builds, with every problem at once when it is wrong', async (t, front) => {
  const force = (payload: object | string, headers = {}) =>
    front.ask({
      method: 'POST',
      url: '/api/v1/schedulers/force/force',
      as: 'developer',
      payload,
      headers: {'content-type': 'application/json', ...headers},
    })
  const good = await force({
    builder: 'linux',
    branch: 'topic/x',
    revision: 'ABCDEF1',
    parameters: {issue: '7'},
    reason: 'try',
  })
  t.is(good.statusCode, 202)
  const {buildset, requests, statusUrl} = good.json<{
    buildset: string
    requests: {builder: string}[]
    statusUrl: string
  }>()
  t.is(good.headers.location, statusUrl)
  t.deepEqual(
    requests.map((request) => request.builder),
    ['linux'],
  )
  t.like((await front.ask({url: statusUrl})).json(), {
    id: buildset,
    origin: 'force',
    reason: 'try',
    complete: false,
    properties: {issue: 7, flavour: 'plain'},
    sourceStamps: [{repository: 'sample', branch: 'topic/x', revision: 'abcdef1'}],
  })
  const wrong = await force({builders: ['linux', 'amiga'], parameters: {issue: 700, colour: 'red'}})
  t.is(wrong.statusCode, 422)
  t.deepEqual(
    wrong
      .json<Problems>()
      .problems.map((problem) => problem.path)
      .sort(),
    ['builders.1', 'parameters.colour', 'parameters.issue'],
  )
  for (const bad of [
    {branch: '--upload-pack=x', parameters: {issue: 1}},
    {revision: 'HEAD;x', parameters: {issue: 1}},
    {odd: 1},
    [],
  ])
    t.is((await force(bad)).statusCode, 422, JSON.stringify(bad))
  t.like((await force('{"builder": ')).json(), {status: 400, code: 'malformed'})
  t.like((await force('{"__proto__": {"admin": true}}')).json(), {status: 400})
  t.like((await force(`{"reason": "${'x'.repeat(1_100_000)}"}`)).json(), {status: 413, code: 'too-large'})
  t.is((await force('x=1', {'content-type': 'text/plain'})).statusCode, 415)
  const keyed = await Promise.all(
    [1, 2].map(() => force({parameters: {issue: 2}}, {'idempotency-key': 'once'})),
  )
  t.is(keyed[0]?.body, keyed[1]?.body)
  t.is((await front.store.query('SELECT 1 FROM buildsets')).length, 2)
  t.is(
    (await front.ask({method: 'POST', url: '/api/v1/schedulers/main/force', as: 'developer'})).statusCode,
    409,
  )
})

eachFront(
  'a build is cancelled by a stored wish, a waiting request at once, a finished one not at all',
  async (t, front) => {
    const running = await addBuild(front, null, {complete: false})
    const post = (url: string, payload: object = {}) =>
      front.ask({method: 'POST', url, as: 'developer', payload})
    t.is((await post(`/api/v1/builds/${running.build}/cancel`, {reason: 'wrong branch'})).statusCode, 202)
    t.is((await post(`/api/v1/builds/${running.build}/cancel`)).statusCode, 202)
    t.like((await front.ask({url: `/api/v1/builds/${running.build}`})).json(), {
      state: 'running',
      cancelled: {by: 'developer', reason: 'wrong branch'},
    })
    const done = await addBuild(front, null)
    t.like((await post(`/api/v1/builds/${done.build}/cancel`)).json(), {status: 409, code: 'finished'})
    t.is((await post('/api/v1/builds/999/cancel')).statusCode, 404)
    const {buildset, requests} = (
      await post('/api/v1/schedulers/force/force', {builder: 'bsd', parameters: {issue: 1}})
    ).json<{buildset: string; requests: {id: string}[]}>()
    t.is((await post(`/api/v1/requests/${requests[0]?.id}/cancel`)).statusCode, 202)
    t.like((await front.ask({url: `/api/v1/buildsets/${buildset}`})).json(), {
      complete: true,
      result: 'cancelled',
    })
    const rebuilt = await post(`/api/v1/builds/${done.build}/rebuild`)
    t.is(rebuilt.statusCode, 202)
    t.like((await front.ask({url: String(rebuilt.headers.location)})).json(), {
      origin: 'rebuild',
      properties: {asked: 1},
      sourceStamps: [{repository: 'sample', branch: 'main', revision: 'abcdef12'}],
    })
    await front.store.query(`UPDATE builds SET origin = 'force' WHERE id = $1`, [done.build])
    const forced = await post(`/api/v1/builds/${done.build}/rebuild`)
    t.is((await front.ask({url: String(forced.headers.location)})).json<{origin: string}>().origin, 'force')
    const actions = await front.store.query<{action: string}>('SELECT action FROM audit ORDER BY id')
    t.deepEqual(
      actions.map((row) => row.action),
      ['build.cancel', 'scheduler.force', 'request.cancel', 'build.rebuild', 'build.rebuild'],
    )
  },
)

eachFront('a paused worker says who paused it and why', async (t, front) => {
  const post = (what: string) =>
    front.ask({method: 'POST', url: `/api/v1/workers/${what}`, as: 'operator', payload: {reason: 'new disk'}})
  t.is((await post('nobody/pause')).statusCode, 404)
  t.is((await post('bob/pause')).statusCode, 202)
  const bob = () =>
    front.ask({url: '/api/v1/workers/bob'}).then((answer) => answer.json<{reason: string; state: string}>())
  t.regex((await bob()).reason, /^paused by operator since .*Z: new disk$/)
  t.is((await post('bob/resume')).statusCode, 202)
  t.is((await bob()).reason, 'it has never connected')
  t.is(
    (await front.ask({method: 'POST', url: '/api/v1/builders/linux/pause', as: 'operator'})).statusCode,
    202,
  )
  t.is((await front.ask({url: '/api/v1/builders/linux'})).json<{state: string}>().state, 'paused')
})

eachFront(
  'the waterfall gives a window with builds, steps, changes and columns in one answer',
  async (t, front) => {
    await addBuild(front, 'x\n')
    const old = await addBuild(front, 'x\n', {startedAt: new Date(Date.now() - 40 * 3_600_000)})
    await front.ask({
      method: 'POST',
      url: '/api/v1/changes',
      as: 'developer',
      payload: {
        source: 'sample',
        branch: 'main',
        revision: 'c0ffee12',
        message: 'subject\nbody',
        author: 'me',
      },
    })
    const answer = await front.ask({url: '/api/v1/waterfall'})
    t.is(answer.statusCode, 200)
    const found = answer.json<{
      builds: {id: string; steps: {log: string | null}[]}[]
      changes: {subject: string}[]
      builders: object[]
      rules: object[]
      more: boolean
    }>()
    t.is(found.builds.length, 2)
    t.true(
      found.builds.some((build) => build.id === old.build),
      'a build that began before the window and ended in it',
    )
    t.is(found.builds[0]?.steps.length, 1)
    t.truthy(found.builds[0]?.steps[0]?.log)
    t.is(found.changes[0]?.subject, 'subject')
    t.like(found.builders[0], {name: 'linux', state: 'idle', lastResult: 'success', pending: 0})
    t.like(found.rules[0], {name: 'stable', verdict: null})
    t.is(
      (await front.ask({url: '/api/v1/waterfall?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z'}))
        .statusCode,
      400,
    )
  },
)

eachFront('the description of the API is OpenAPI 3.1 with every resource', async (t, front) => {
  const document = (await front.ask({url: '/api/v1/openapi.json'})).json<{
    openapi: string
    paths: Record<string, object>
  }>()
  t.is(document.openapi, '3.1.0')
  for (const path of ['/api/v1/builds/{id}', '/api/v1/schedulers/{name}/force', '/api/v1/waterfall'])
    t.truthy(document.paths[path], `${path} of ${Object.keys(document.paths).join(' ')}`)
})

eachFront('everything that lists answers, empty as the store is', async (t, front) => {
  for (const name of [
    'builders',
    'builds',
    'requests',
    'buildsets',
    'schedulers',
    'changes',
    'sources',
    'workers',
    'promotions',
    'promotions/stable/history',
    'artifacts',
  ]) {
    const answer = await front.ask({url: `/api/v1/${name}`})
    t.is(answer.statusCode, 200, `${name}: ${answer.body}`)
    t.true(Array.isArray(answer.json<{items: []}>().items), name)
  }
  t.is((await front.ask({url: '/api/v1/config', as: 'operator'})).statusCode, 200)
  t.is((await front.ask({url: '/healthz'})).json<{status: string}>().status, 'ok')
  t.regex((await front.ask({url: '/metrics'})).body, /ostler_requests_pending/)
  t.regex((await front.ask({url: '/badge/linux.svg'})).body, /no builds/)
  t.is((await front.ask({url: '/badge/none.svg'})).statusCode, 404)
  t.regex((await front.ask({url: '/cc.xml'})).body, /<Project name="linux" activity="Sleeping"/)
})

eachFront(
  'a scheduler lists the changes that it holds with the reason, and the waterfall does too',
  async (t, front) => {
    await addBuild(front, null, {result: 'failure'})
    await front.store.query(`UPDATE builds SET repository = 'sample'`)
    await front.store.query(
      `WITH c AS (INSERT INTO changes (source, repository, branch, revision, author, message)
       VALUES ('sample', 'x', 'main', 'abc', 'Ann', E'more work\\nand more') RETURNING id)
     INSERT INTO scheduler_changes (scheduler, change_id, branch) SELECT 'main', id, 'main' FROM c`,
    )
    const held = {
      change: '1',
      scheduler: 'main',
      branch: 'main',
      revision: 'abc',
      subject: 'more work',
      code: 'red',
      text: 'held since linux #1; needs [testfix] or a force',
    }
    const {items} = (await front.ask({url: '/api/v1/schedulers'})).json<{
      items: {name: string; held: object[]}[]
    }>()
    t.like(
      items.find(({name}) => name === 'main'),
      {held: [held]},
    )
    t.deepEqual(items.find(({name}) => name === 'force')?.held, [])
    t.like((await front.ask({url: '/api/v1/waterfall'})).json(), {held: [held]})
  },
)

eachFront(
  'the finished builds of a builder come by when they finished, in pages, with all that a poller needs',
  async (t, front) => {
    const ids: string[] = []
    for (const minutes of [3, 1, 2, 2, 2]) {
      const {build} = await addBuild(front, null)
      ids.push(build)
      // Two that finished in the same moment, which is finer than a millisecond.
      await front.store.query(
        `UPDATE builds SET repository = 'sample', origin = CASE WHEN id = $1::bigint AND number = 2 THEN 'force' ELSE origin END,
         finished_at = timestamptz '2026-01-01 00:00:00.000001' - $2 * interval '1 minute' WHERE id = $1`,
        [build, minutes],
      )
    }
    await addBuild(front, null, {complete: false})
    await addBuild(front, null, {builder: 'bsd'})
    const url = '/api/v1/builders/linux/builds'
    const ask = async (query: string) =>
      (await front.ask({url: `${url}?${query}`})).json<{items: {id: string}[]; next: string | null}>()
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const {items, next} = await ask(`state=finished&limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...items.map(({id}) => id))
      cursor = next
    }
    t.deepEqual(seen, [ids[1], ids[4], ids[3], ids[2], ids[0]])
    t.like((await ask('state=finished&limit=1')).items[0], {
      result: 'success',
      gotRevision: 'abcdef12',
      branch: 'main',
      repository: 'sample',
      origin: 'force',
      reason: 'why',
      finishedAt: '2025-12-31T23:59:00.000Z',
    })
    const counts: [string, number][] = [
      ['', 6],
      ['state=running', 1],
      ['state=finished&origin=scheduler', 4],
      ['state=finished&branch=none', 0],
      ['state=finished&result=success&revision=abcdef12', 5],
    ]
    for (const [query, n] of counts) t.is((await ask(query)).items.length, n, query)
    t.is((await front.ask({url: `${url}?state=finished&cursor=x`})).statusCode, 400)
    t.is((await front.ask({url: '/api/v1/builders/none/builds'})).statusCode, 404)
    const document = (await front.ask({url: '/api/v1/openapi.json'})).json<{
      paths: Record<string, {get: {description: string}}>
    }>()
    t.regex(
      document.paths['/api/v1/builders/{name}/builds']?.get.description ?? '',
      /the commit that was tested/,
    )
  },
)
