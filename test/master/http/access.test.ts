// Who may do what, on every route there is.
import test from 'ava'
import fastify from 'fastify'
import {atLeast, guard} from '../../../master/http/access.ts'
import {bodyBytesMax} from '../../../master/http/server.ts'
import type {Role} from '../../../master/world/store/tokens.ts'
import {addBuild, eachFront} from './front.ts'

/** Every route with its policy. A new route is written down here by hand: that is the point. */
const policies = `
GET /* open
GET /api/v1/artifacts read
GET /api/v1/artifacts/:id read
GET /api/v1/builders read
GET /api/v1/builders/:name read
GET /api/v1/builders/:name/builds read
GET /api/v1/builders/:name/builds/:number read
GET /api/v1/builds read
GET /api/v1/builds/:id read
GET /api/v1/builds/:id/steps read
GET /api/v1/buildsets read
GET /api/v1/buildsets/:id read
GET /api/v1/changes read
GET /api/v1/changes/:id read
GET /api/v1/config operator
GET /api/v1/events read
GET /api/v1/logs/:id/follow read
GET /api/v1/logs/:id/raw read
GET /api/v1/masters operator
GET /api/v1/openapi.json read
GET /api/v1/promotions read
GET /api/v1/promotions/:rule/controls read
GET /api/v1/promotions/:rule/decisions/:id read
GET /api/v1/promotions/:rule/excuses read
GET /api/v1/promotions/:rule/history read
GET /api/v1/promotions/:rule/picture read
GET /api/v1/promotions/:rule/rollback operator
GET /api/v1/reports developer
GET /api/v1/requests read
GET /api/v1/requests/:id read
GET /api/v1/schedulers read
GET /api/v1/session open
GET /api/v1/sources read
GET /api/v1/tokens admin
GET /api/v1/waterfall read
GET /api/v1/workers read
GET /api/v1/workers/:name read
GET /badge/:file read
GET /cc.xml read
GET /healthz open
GET /metrics read
GET /worker worker
DELETE /api/v1/session open
DELETE /api/v1/tokens/:id admin
POST /api/v1/builders/:name/pause operator
POST /api/v1/builders/:name/resume operator
POST /api/v1/builds/:id/cancel developer
POST /api/v1/builds/:id/rebuild developer
POST /api/v1/changes developer
GET /api/v1/backup admin
POST /api/v1/config/reload operator
POST /api/v1/hooks/:source hook
POST /api/v1/promotions/:rule/allow operator
POST /api/v1/promotions/:rule/approve developer
POST /api/v1/promotions/:rule/deny operator
POST /api/v1/promotions/:rule/hold operator
POST /api/v1/promotions/:rule/release operator
POST /api/v1/promotions/:rule/rollback operator
POST /api/v1/promotions/:rule/run operator
POST /api/v1/promotions/:rule/unfreeze admin
POST /api/v1/reports/:id/again operator
POST /api/v1/requests/:id/cancel developer
POST /api/v1/schedulers/:name/force developer
POST /api/v1/session open
POST /api/v1/tokens admin
POST /api/v1/workers/:name/drain operator
POST /api/v1/workers/:name/pause operator
POST /api/v1/workers/:name/resume operator
PUT /worker/artifacts/:sha256 worker
`
  .trim()
  .split('\n')

const roles: readonly Role[] = ['viewer', 'developer', 'operator', 'admin']

eachFront('every route has the policy that is written down for it', async (t, {app}) => {
  const found = app.policies
    .filter(({method}) => method !== 'HEAD')
    .map(({method, url, policy}) => `${method} ${url} ${policy}`)
  t.deepEqual(found.sort(), [...policies].sort())
  for (const {url, policy} of app.policies.filter(({method}) => method === 'HEAD'))
    t.true(policies.includes(`GET ${url} ${policy}`), `HEAD ${url} has the policy of its GET`)
})

eachFront('a route without a policy keeps the server from starting', async (t, {needs}) => {
  const app = fastify()
  guard(app, needs)
  t.throws(() => app.get('/forgotten', async () => 'x'), {message: 'route GET /forgotten has no policy'})
})

eachFront('a role opens what it and lower roles may do, and nothing above', async (t, front) => {
  for (const line of policies) {
    const [method, pattern = '', policy] = line.split(' ')
    if (method === 'GET' && /events|follow|worker$/.test(pattern)) continue
    const url = pattern
      .replace(':id', '999')
      .replace(/:[a-z0-9]+/g, 'nothing')
      .replace('/*', '/')
    for (const role of roles) {
      const {statusCode} = await front.ask({method, url, as: role})
      const mayPass =
        policy === 'open' ||
        policy === 'hook' ||
        policy === 'read' ||
        (policy !== 'worker' && roles.indexOf(role) >= roles.indexOf(policy as Role))
      t.is(statusCode === 403, !mayPass, `${role} ${line}: ${statusCode}`)
      t.not(statusCode, 500, line)
    }
    const nobody = await front.ask({method, url})
    t.is(
      nobody.statusCode === 401,
      !['open', 'read'].includes(policy ?? '') && !(policy === 'hook'),
      `nobody ${line}: ${nobody.statusCode}`,
    )
    const worker = await front.ask({method, url, as: 'worker'})
    if (!['open', 'read', 'hook', 'worker'].includes(policy ?? ''))
      t.is(worker.statusCode, 403, `worker ${line}`)
  }
})

eachFront(
  'where reading is closed, looking needs a token too',
  async (t, front) => {
    for (const line of policies.filter((one) => one.startsWith('GET') && one.endsWith(' read'))) {
      const url = (line.split(' ')[1] as string).replace(':id', '1').replace(/:[a-z0-9]+/g, 'x')
      const answer = await front.ask({url})
      t.is(answer.statusCode, 401, line)
      t.is(answer.json<{code: string}>().code, 'unauthenticated')
    }
    t.is((await front.ask({url: '/api/v1/builders', as: 'viewer'})).statusCode, 200)
    t.is((await front.ask({url: '/api/v1/builders', as: 'worker'})).statusCode, 403)
    t.is((await front.ask({url: '/healthz'})).statusCode, 200)
    t.like((await front.ask({url: '/api/v1/session'})).json(), {name: null, role: null, readOpen: false})
  },
  {access: {read: 'closed'}},
)

eachFront(
  'no spelling of an address goes around its policy',
  async (t, front) => {
    const {build} = await addBuild(front, 'secret words\n')
    const spellings = [
      `/api/v1/builds/${build};x`,
      `/api/v1/builds/${build};.jsp`,
      `/api/v1/builds/${build}/`,
      `/API/v1/builds/${build}`,
      `/api/v1/Builds/${build}`,
      `/api//v1/builds/${build}`,
      `//api/v1/builds/${build}`,
      `/api/v1/%62uilds/${build}`,
      `/api/v1/%2562uilds/${build}`,
      `/api/v1/builds%2f${build}`,
      `/api/v1/./builds/${build}`,
      `/api/v1/hooks/../builds/${build}`,
      `/api/v1/hooks/%2e%2e/builds/${build}`,
      `/assets/../api/v1/builds/${build}`,
      `/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd`,
      `/assets/..%2f..%2f..%2fetc%2fpasswd`,
      `/..%2f..%2fpackage.json`,
      `/api/v1/builds/${build}?x=/healthz`,
      `/healthz/../api/v1/builds/${build}`,
    ]
    for (const url of spellings) {
      const answer = await front.ask({url, headers: {accept: '*/*'}})
      t.false(/"builder"|root:|"private"/.test(answer.body), url)
      t.true(
        [400, 401, 403, 404].includes(answer.statusCode) ||
          String(answer.headers['content-type']).startsWith('text/html'),
        `${url}: ${answer.statusCode}`,
      )
    }
  },
  {access: {read: 'closed'}},
)

eachFront('a wrong, malformed or revoked token opens nothing', async (t, front) => {
  const wrong = [
    'Bearer ostler_u_wrong',
    'Bearer ',
    'Basic YTpi',
    'Bearer a b',
    `Bearer ${front.tokens.admin}x`,
    'ostler_u_x',
  ]
  for (const authorization of wrong) {
    const answer = await front.ask({url: '/api/v1/tokens', headers: {authorization}})
    t.is(answer.statusCode, 401, authorization)
    t.true(String(answer.headers['content-type']).startsWith('application/problem+json'))
  }
  // One that is sent but wrong is told so, also where nobody needs one.
  t.is(
    (await front.ask({url: '/api/v1/builders', headers: {authorization: 'Bearer ostler_u_wrong'}}))
      .statusCode,
    401,
  )
  const {items} = (await front.ask({url: '/api/v1/tokens', as: 'admin'})).json<{
    items: {id: string; name: string}[]
  }>()
  const developer = items.find((token) => token.name === 'developer')
  t.is(
    (await front.ask({method: 'DELETE', url: `/api/v1/tokens/${developer?.id}`, as: 'admin'})).statusCode,
    204,
  )
  t.is((await front.ask({url: '/api/v1/builders', as: 'developer'})).statusCode, 401)
  t.is(
    (await front.ask({method: 'DELETE', url: `/api/v1/tokens/${developer?.id}`, as: 'admin'})).statusCode,
    404,
  )
})

eachFront(
  'a session opens with a token, acts only for pages of our own origin, and ends',
  async (t, front) => {
    const {request} = await addBuild(front, null)
    const host = {host: 'ci.example.org'}
    const login = await front.ask({
      method: 'POST',
      url: '/api/v1/session',
      payload: {token: front.tokens.developer},
      headers: host,
    })
    t.is(login.statusCode, 200)
    t.like(login.json(), {name: 'developer', role: 'developer'})
    const [cookie] = login.cookies
    t.like(cookie, {name: 'ostler', httpOnly: true, sameSite: 'Lax', path: '/'})
    const headers = {...host, cookie: `ostler=${cookie?.value}`}
    const url = `/api/v1/requests/${request}/cancel`
    const origins: [string, Record<string, string>, boolean][] = [
      ['ours', {origin: 'http://ci.example.org'}, true],
      ['another', {origin: 'http://evil.example.org'}, false],
      ['another port', {origin: 'http://ci.example.org:8080'}, false],
      ['an opaque one', {origin: 'null'}, false],
      ['none at all', {}, false],
      ['the browser says the same site', {'sec-fetch-site': 'same-site'}, false],
      ['the browser says the same origin', {'sec-fetch-site': 'same-origin'}, true],
    ]
    for (const [what, origin, passes] of origins) {
      const answer = await front.ask({method: 'POST', url, headers: {...headers, ...origin}})
      t.is(answer.statusCode !== 403, passes, what)
    }
    t.is((await front.ask({url: '/api/v1/session', headers})).json<{name: string}>().name, 'developer')
    const foreignLogin = await front.ask({
      method: 'POST',
      url: '/api/v1/session',
      payload: {token: front.tokens.admin},
      headers: {...host, origin: 'http://evil.example.org'},
    })
    t.is(foreignLogin.statusCode, 403)
    t.is(
      (
        await front.ask({
          method: 'DELETE',
          url: '/api/v1/session',
          headers: {...headers, origin: 'http://ci.example.org'},
        })
      ).statusCode,
      204,
    )
    t.is((await front.ask({url: '/api/v1/session', headers})).json<{name: string | null}>().name, null)
  },
)

eachFront(
  'over https the cookie belongs to this host alone',
  async (t, front) => {
    const login = await front.ask({
      method: 'POST',
      url: '/api/v1/session',
      payload: {token: front.tokens.viewer},
    })
    t.like(login.cookies[0], {name: '__Host-ostler', secure: true, path: '/', httpOnly: true})
    t.is(login.cookies[0]?.domain, undefined)
    t.truthy(login.headers['strict-transport-security'])
  },
  {url: 'https://ci.example.org/'},
)

eachFront('guessing tokens at the login is slowed down, and tells nothing', async (t, front) => {
  const answers = []
  for (let n = 0; n < 12; n++)
    answers.push(
      await front.ask({
        method: 'POST',
        url: '/api/v1/session',
        payload: {token: n % 2 ? 'ostler_u_x' : front.tokens.worker},
      }),
    )
  t.is(new Set(answers.slice(0, 10).map((answer) => answer.body)).size, 1)
  t.is(answers[11]?.statusCode, 429)
  t.is(answers[11]?.json<{code: string}>().code, 'too-many')
})

eachFront('answers carry the headers that keep pages safe', async (t, front) => {
  const {headers} = await front.ask({url: '/api/v1/builders'})
  t.true(
    String(headers['content-security-policy']).startsWith(
      "default-src 'self';style-src 'self' 'unsafe-inline';img-src 'self' data:",
    ),
  )
  t.is(headers['x-content-type-options'], 'nosniff')
})

eachFront('a body above the limit is refused before anybody reads it', async (t, front) => {
  const name = 'x'.repeat(bodyBytesMax)
  const answer = await front.ask({
    method: 'POST',
    url: '/api/v1/tokens',
    as: 'admin',
    payload: {kind: 'worker', name},
  })
  t.like(answer.json(), {status: 413, code: 'too-large'})
})

test('roles are ordered', (t) => {
  t.true(atLeast('admin', 'viewer'))
  t.false(atLeast('viewer', 'developer'))
})
