import test from 'ava'
import fc from 'fast-check'
import type {WebhookSource} from '../../../../config/config.ts'
import {
  changesOf,
  deliveryOf,
  payloadText,
  readHook,
  signature,
  webhook,
} from '../../../../config/kinds/sources/webhook.ts'
import {checkKind} from '../check.ts'

const source = (dialect: WebhookSource['dialect'], repositories: readonly string[] = []): WebhookSource => ({
  kind: 'webhook',
  name: 'forge',
  dialect,
  secret: {secret: 's'},
  repositories,
  wakes: null,
})
const id = (digit: string) => digit.repeat(40)
const commit = (digit: string, files: object = {added: ['a'], modified: ['b'], removed: ['a']}) => ({
  id: id(digit),
  message: `commit ${digit}`,
  timestamp: '2026-03-01T12:00:00+01:00',
  url: `https://forge.example.org/${digit}`,
  author: {name: 'Ann', email: 'ann@example.org'},
  ...files,
})
const push = (more: object) => ({
  ref: 'refs/heads/main',
  before: id('0'),
  after: id('b'),
  commits: [commit('a'), commit('b')],
  repository: {full_name: 'me/project', clone_url: 'https://forge.example.org/me/project.git'},
  ...more,
})
const github = {'x-github-event': 'push', 'x-github-delivery': 'd-1'}

test('the example of the webhook source loads, and each option is described', (t) => {
  t.like(webhook.resolve(checkKind(t, webhook)), {
    dialect: 'gitea',
    secret: {secret: 'forge-hook'},
    wakes: null,
  })
})

test('the commits of a push become changes, oldest first', (t) => {
  const [first, second] = changesOf(source('github'), github, push({}))
  t.deepEqual(first, {
    repository: 'https://forge.example.org/me/project.git',
    branch: 'main',
    revision: id('a'),
    parents: [],
    author: 'Ann <ann@example.org>',
    message: 'commit a',
    files: ['a', 'b'],
    filesMore: 0,
    link: 'https://forge.example.org/a',
    committedAt: '2026-03-01T11:00:00.000Z',
  })
  t.is(second?.revision, id('b'))
})

test('Gitea lists the newest first, and they are turned round', (t) => {
  const body = push({commits: [commit('b'), commit('a')]})
  t.deepEqual(
    changesOf(source('gitea'), {'x-gitea-event': 'push'}, body).map(({revision}) => revision),
    [id('a'), id('b')],
  )
})

test('GitLab names its project and its event in its own way', (t) => {
  const body = {
    ...push({repository: undefined}),
    object_kind: 'push',
    project: {path_with_namespace: 'me/project', git_http_url: 'https://gitlab.example.org/me/project.git'},
  }
  const headers = {'x-gitlab-event': 'Push Hook', 'x-gitlab-event-uuid': 'u-1'}
  t.is(changesOf(source('gitlab'), headers, body).length, 2)
  t.is(deliveryOf('gitlab', headers), 'u-1')
  t.like(readHook(source('gitlab'), headers, {...body, object_kind: 'tag_push'}), {reading: 'nothing'})
})

test('a new branch, and one that was moved back, change to their tip', (t) => {
  t.deepEqual(
    changesOf(source('github'), github, push({created: true, commits: [], head_commit: commit('b')})).map(
      ({revision}) => revision,
    ),
    [id('b')],
  )
  t.deepEqual(
    changesOf(source('github'), github, push({forced: true, commits: []})).map(({revision, filesMore}) => [
      revision,
      filesMore,
    ]),
    [[id('b'), 1]],
  )
})

const nothings: readonly (readonly [string, object, object])[] = [
  ['a ping', {'x-github-event': 'ping'}, {zen: 'x'}],
  ['a tag', github, push({ref: 'refs/tags/v1'})],
  ['a deleted branch', github, push({after: id('0'), deleted: true, commits: []})],
]
for (const [what, headers, body] of nothings) {
  test(`${what} changes nothing`, (t) => {
    t.is(readHook(source('github'), headers as Record<string, string>, body).reading, 'nothing')
  })
}

test('a source listens to its repositories only, by clone URL or by name', (t) => {
  for (const name of [
    'me/project',
    'https://forge.example.org/Me/Project',
    'https://forge.example.org/me/project.git',
  ]) {
    t.is(changesOf(source('github', [name]), github, push({})).length, 2, name)
  }
  t.is(readHook(source('github', ['me/other']), github, push({})).reading, 'nothing')
})

test('each dialect proves itself in its own header', (t) => {
  const hex = 'ab'.repeat(32)
  t.deepEqual(signature('github', {'x-hub-signature-256': `sha256=${hex.toUpperCase()}`}), {
    proof: 'hmac',
    hex,
  })
  t.deepEqual(signature('gitea', {'x-gitea-signature': hex}), {proof: 'hmac', hex})
  t.deepEqual(signature('gitlab', {'x-gitlab-token': 'word'}), {proof: 'token', token: 'word'})
  for (const headers of [
    {},
    {'x-hub-signature-256': hex},
    {'x-hub-signature-256': 'sha256='},
    {'x-hub-signature-256': ['a', 'b']},
  ]) {
    t.is(signature('github', headers).proof, 'none')
  }
  t.is(signature('gitlab', {'x-gitlab-token': ''}).proof, 'none')
})

test("GitHub's form carries the same JSON", (t) => {
  const headers = {'content-type': 'application/x-www-form-urlencoded'}
  t.is(
    payloadText(headers, `payload=${encodeURIComponent('{"a": "b+c"}').replaceAll('%20', '+')}`),
    '{"a": "b+c"}',
  )
  t.is(payloadText(headers, 'payload=%'), '')
  t.is(payloadText({'content-type': 'application/json'}, '{}'), '{}')
})

test('no body makes a hook throw', (t) => {
  const body = fc.record(
    {
      ref: fc.anything(),
      after: fc.constantFrom(id('a'), 'x', null),
      commits: fc.anything(),
      repository: fc.anything(),
    },
    {requiredKeys: []},
  )
  fc.assert(
    fc.property(
      fc.oneof(fc.anything(), body),
      (given) => readHook(source('github'), github, given).reading.length > 0,
    ),
  )
  t.pass()
})
