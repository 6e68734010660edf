// Hooks: signatures over the raw bytes, repetitions, and bodies that nobody should send.
import {createHmac} from 'node:crypto'
import {eachFront, hookSecret, type Front} from './front.ts'

const push = {
  ref: 'refs/heads/main',
  after: 'a'.repeat(40),
  repository: {full_name: 'me/sample', clone_url: 'https://git.example.org/me/sample.git'},
  commits: [
    {
      id: 'b'.repeat(40),
      message: 'one',
      timestamp: '2026-01-01T00:00:00Z',
      url: 'https://git.example.org/b',
      author: {name: 'A', email: 'a@example.org'},
      added: ['x'],
      removed: [],
      modified: [],
    },
    {
      id: 'a'.repeat(40),
      message: 'two \u0000 \ud800',
      timestamp: '2026-01-01T00:00:01Z',
      url: 'javascript:alert(1)',
      author: {name: 'A', email: 'a@example.org'},
      added: [],
      removed: [],
      modified: ['y'],
    },
  ],
}
const hmac = (bytes: string, secret = hookSecret) => createHmac('sha256', secret).update(bytes).digest('hex')

const deliver = (front: Front, payload: string, headers: Record<string, string> = {}, source = 'forge') =>
  front.ask({
    method: 'POST',
    url: `/api/v1/hooks/${source}`,
    payload,
    headers: {
      'content-type': 'application/json',
      'x-gitea-event': 'push',
      'x-gitea-delivery': 'd1',
      'x-gitea-signature': hmac(payload),
      ...headers,
    },
  })
const recorded = (front: Front) =>
  front.store.query<{revision: string}>('SELECT revision FROM changes ORDER BY id')

eachFront(
  'a signed push becomes changes in order, and a repetition is answered the same and done once',
  async (t, front) => {
    const payload = JSON.stringify(push)
    const first = await deliver(front, payload)
    t.is(first.statusCode, 202)
    t.deepEqual(
      (await recorded(front)).map((row) => row.revision[0]),
      ['b', 'a'],
    )
    const again = await deliver(front, payload)
    const renamed = await deliver(front, payload, {'x-gitea-delivery': 'another'})
    t.deepEqual([again.statusCode, again.body], [202, first.body])
    t.deepEqual([renamed.statusCode, renamed.body], [202, first.body])
    t.is((await recorded(front)).length, 2)
    const atOnce = await Promise.all(
      Array.from({length: 5}, () =>
        deliver(front, JSON.stringify({...push, after: 'c'.repeat(40), commits: []}), {
          'x-gitea-delivery': 'd3',
        }),
      ),
    )
    t.is(new Set(atOnce.map((answer) => answer.body)).size, 1)
    t.is((await recorded(front)).length, 3)
    t.is((await front.store.query(`SELECT 1 FROM audit WHERE action = 'hook.deliver'`)).length, 2)
  },
)

eachFront('a wrong or missing signature, or another dialect, records nothing', async (t, front) => {
  const payload = JSON.stringify(push)
  const tries: [string, Record<string, string>, string?][] = [
    ['another secret', {'x-gitea-signature': hmac(payload, 'guess')}],
    ['another body', {'x-gitea-signature': hmac(`${payload} `)}],
    ['no signature', {'x-gitea-signature': ''}],
    ['not a signature', {'x-gitea-signature': 'zz'}],
    [
      'GitHub to Gitea',
      {'x-gitea-signature': '', 'x-hub-signature-256': `sha256=${hmac(payload)}`, 'x-github-event': 'push'},
    ],
    ['Gitea to GitHub', {}, 'hub'],
    ['a wrong token to GitLab', {'x-gitlab-token': 'guess', 'x-gitlab-event': 'Push Hook'}, 'lab'],
  ]
  for (const [what, headers, source] of tries) {
    const answer = await deliver(front, payload, headers, source)
    t.is(answer.statusCode, 401, what)
    t.regex(answer.json<{code: string}>().code, /^(no|bad)-signature$/, what)
    t.false(answer.body.includes(hookSecret))
  }
  t.is((await recorded(front)).length, 0)
  t.is((await deliver(front, payload, {}, 'nobody')).statusCode, 404)
  t.is((await deliver(front, payload, {}, 'sample')).statusCode, 404)
})

eachFront('GitHub and GitLab are understood in their own dialects', async (t, front) => {
  const payload = JSON.stringify(push)
  const hub = await deliver(
    front,
    payload,
    {'x-github-event': 'push', 'x-github-delivery': 'g1', 'x-hub-signature-256': `sha256=${hmac(payload)}`},
    'hub',
  )
  t.is(hub.json<{changes: string[]}>().changes.length, 2)
  const lab = JSON.stringify({...push, object_kind: 'push', project: {path_with_namespace: 'me/sample'}})
  t.is(
    (await deliver(front, lab, {'x-gitlab-event': 'Push Hook', 'x-gitlab-token': hookSecret}, 'lab')).json<{
      changes: string[]
    }>().changes.length,
    2,
  )
})

eachFront('a stale, malformed or huge delivery is refused with a reason', async (t, front) => {
  const old = JSON.stringify({
    ...push,
    repository: {...push.repository, pushed_at: Math.floor(Date.now() / 1000) - 10 * 86_400},
  })
  const stale = await deliver(
    front,
    old,
    {'x-github-event': 'push', 'x-hub-signature-256': `sha256=${hmac(old)}`},
    'hub',
  )
  t.like(stale.json(), {status: 409, code: 'stale'})
  t.like((await deliver(front, '{"ref": ')).json(), {status: 400, code: 'malformed'})
  t.like((await deliver(front, '{"ref": 7}')).json(), {status: 422, code: 'malformed'})
  t.like((await deliver(front, '')).json(), {status: 400, code: 'malformed'})
  const huge = await deliver(front, 'x'.repeat(30 * 1024 * 1024))
  t.like(huge.json(), {status: 413, code: 'too-large'})
  t.is((await recorded(front)).length, 0)
})
