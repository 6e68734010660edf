import test from 'ava'
import type {Reporter} from '../../../../config/config.ts'
import {occasionsOf, wanted} from '../../../../config/kinds/reporter.ts'
import {letterBody, webhook} from '../../../../config/kinds/reporters/webhook.ts'
import {checkKind, problemsOf} from '../check.ts'

const reporter = (on: Reporter['on'], builders: readonly string[] = []): Reporter => ({
  kind: 'webhook',
  name: 'r',
  url: 'https://x.example.org/',
  dialect: 'json',
  on,
  builders,
  secret: null,
})

test('the example of the webhook reporter loads, and each option is described', (t) => {
  t.like(webhook.resolve(checkKind(t, webhook)), {
    url: {secret: 'chat-url'},
    on: ['problem', 'fixed', 'conflict'],
    dialect: 'json',
  })
})

test('a turn from good to bad is a problem, and back is fixed', (t) => {
  t.deepEqual(occasionsOf('build.finished', 'failure', 'success'), ['problem', 'failure', 'finished'])
  t.deepEqual(occasionsOf('build.finished', 'exception', null), ['problem', 'failure', 'finished'])
  t.deepEqual(occasionsOf('build.finished', 'failure', 'failure'), ['failure', 'finished'])
  t.deepEqual(occasionsOf('build.finished', 'warnings', 'failure'), ['fixed', 'success', 'finished'])
  t.deepEqual(occasionsOf('build.finished', 'success', 'success'), ['success', 'finished'])
  t.deepEqual(occasionsOf('build.finished', 'cancelled', 'failure'), ['finished'])
  t.deepEqual(occasionsOf('branch.promoted', null, null), ['promoted'])
  t.deepEqual(occasionsOf('change.added', null, null), [])
})

test('one event is told once, by its most telling name, and only of the wanted builders', (t) => {
  const occasions = occasionsOf('build.finished', 'failure', 'success')
  t.is(wanted(reporter(['finished', 'problem']), occasions, 'check'), 'problem')
  t.is(wanted(reporter(['finished']), occasions, 'check'), 'finished')
  t.is(wanted(reporter(['fixed']), occasions, 'check'), null)
  t.is(wanted(reporter(['finished'], ['other']), occasions, 'check'), null)
  t.is(wanted(reporter(['promoted'], ['other']), ['promoted'], null), 'promoted')
})

test('a letter is JSON', (t) => {
  const letter = {
    delivery: '1',
    event: 'fixed',
    at: '2026-01-01T00:00:00Z',
    title: 'x',
    link: null,
    about: {build: '1'},
  } as const
  t.deepEqual(JSON.parse(letterBody(letter)), letter)
})

test('an address is http or https', (t) => {
  t.is(problemsOf(webhook, {name: 'a', url: 'file:///etc/passwd'}).length, 1)
  t.deepEqual(problemsOf(webhook, {name: 'a', url: 'https://x.example.org/a?b=c'}), [])
})
