import test from 'ava'
import type {Reporter} from '../../../../config/config.ts'
import {oneLine, type Letter} from '../../../../config/kinds/letter.ts'
import {occasionsOf, reportedTypes, wanted} from '../../../../config/kinds/reporter.ts'
import {letterBody, webhook} from '../../../../config/kinds/reporters/webhook.ts'
import {checkKind, problemsOf} from '../check.ts'

const reporter = (
  on: Reporter['on'],
  builders: readonly string[] = [],
  rules: readonly string[] = [],
): Reporter => ({
  kind: 'webhook',
  name: 'r',
  url: 'https://x.example.org/',
  dialect: 'json',
  on,
  builders,
  rules,
  secret: null,
})

const finished = (result: string, before: string | null) =>
  occasionsOf({
    type: 'build.finished',
    result: result as 'success',
    before: before as 'success' | null,
    ruleKind: null,
  })
const moved = (type: string, ruleKind: string | null = null) =>
  occasionsOf({type, result: null, before: null, ruleKind})

test('the example of the webhook reporter loads, and each option is described', (t) => {
  t.like(webhook.resolve(checkKind(t, webhook)), {
    url: {secret: 'chat-url'},
    on: ['problem', 'fixed', 'conflict'],
    dialect: 'mattermost',
  })
})

test('a turn from good to bad is a problem, and back is fixed', (t) => {
  t.deepEqual(finished('failure', 'success'), ['problem', 'failure', 'finished'])
  t.deepEqual(finished('exception', null), ['problem', 'failure', 'finished'])
  t.deepEqual(finished('failure', 'failure'), ['failure', 'finished'])
  t.deepEqual(finished('warnings', 'failure'), ['fixed', 'success', 'finished'])
  t.deepEqual(finished('success', 'success'), ['success', 'finished'])
  t.deepEqual(finished('cancelled', 'failure'), ['finished'])
  t.deepEqual(moved('change.added'), [])
})

test('each event of a promotion is one occasion, and a merge carries', (t) => {
  t.deepEqual(moved('branch.promoted', 'fastForward'), ['promoted'])
  t.deepEqual(moved('branch.promoted', null), ['promoted'])
  t.deepEqual(moved('branch.promoted', 'merge'), ['carried'])
  const others = reportedTypes.filter((type) => type.startsWith('promotion.'))
  t.deepEqual(
    others.map((type) => [type, ...moved(type)]),
    [
      ['promotion.conflict', 'conflict'],
      ['promotion.reminder', 'conflict'],
      ['promotion.resolved', 'resolved'],
      ['promotion.diverged', 'diverged'],
      ['promotion.refused', 'refused'],
      ['promotion.held', 'held'],
      ['promotion.released', 'released'],
    ],
  )
})

test('one event is told once, by its most telling name, and only of the wanted builders and rules', (t) => {
  const occasions = finished('failure', 'success')
  t.is(wanted(reporter(['finished', 'problem']), occasions, {builder: 'check'}), 'problem')
  t.is(wanted(reporter(['finished']), occasions, {builder: 'check'}), 'finished')
  t.is(wanted(reporter(['fixed']), occasions, {builder: 'check'}), null)
  t.is(wanted(reporter(['finished'], ['other']), occasions, {builder: 'check'}), null)
  t.is(wanted(reporter(['promoted'], ['other']), ['promoted'], {rule: 'stable'}), 'promoted')
  t.is(wanted(reporter(['promoted'], [], ['other']), ['promoted'], {rule: 'stable'}), null)
})

const letter: Letter = {
  delivery: 'chat-7',
  event: 'fixed',
  at: '2026-01-01T00:00:00.000Z',
  title: 'check #7 success on @all <main> (fixed)',
  link: 'https://ci.example.org/builds/7',
  about: {id: '7'},
  tone: 'good',
  text: ['check #7 on **main** succeeded & <!channel> @here.', 'more'],
  fields: [{name: 'Branch', value: 'a_b_c'}],
  thread: 'build check main',
  failed: null,
}

test('a letter is JSON for programs: what happened, and nothing of how it is told to people', (t) => {
  t.deepEqual(JSON.parse(letterBody('json', letter)), {
    delivery: 'chat-7',
    event: 'fixed',
    at: '2026-01-01T00:00:00.000Z',
    title: letter.title,
    link: letter.link,
    about: {id: '7'},
  })
})

test('Mattermost gets an attachment with a colour, a link and fields; words from outside format nothing and wake nobody', (t) => {
  t.deepEqual(JSON.parse(letterBody('mattermost', letter)), {
    username: 'Ostler',
    attachments: [
      {
        fallback: 'check #7 success on @\u200ball <main> (fixed)',
        color: '#2e7d32',
        title: 'check #7 success on @\u200ball <main> (fixed)',
        title_link: 'https://ci.example.org/builds/7',
        text: 'check \\#7 on \\*\\*main\\*\\* succeeded & \\<\\!channel\\> @\u200bhere.',
        fields: [{title: 'Branch', value: 'a\\_b\\_c', short: true}],
        ts: 1767225600,
      },
    ],
  })
})

test('Slack gets the same in its own way', (t) => {
  t.deepEqual(JSON.parse(letterBody('slack', {...letter, tone: 'bad', link: null})), {
    text: 'check #7 success on @all &lt;main&gt; (fixed)',
    attachments: [
      {
        fallback: 'check #7 success on @all &lt;main&gt; (fixed)',
        color: '#c62828',
        title: 'check #7 success on @all &lt;main&gt; (fixed)',
        text: 'check #7 on **main** succeeded &amp; &lt;!channel&gt; @here.',
        fields: [{title: 'Branch', value: 'a_b_c', short: true}],
        ts: 1767225600,
        mrkdwn_in: [],
      },
    ],
  })
})

test('words from outside are one line of a bounded length', (t) => {
  t.is(oneLine('a\r\nBcc: evil@example.org\u2028x\u0000'), 'a Bcc: evil@example.org x')
  t.is(oneLine('x'.repeat(300)).length, 200)
})

test('an address is http or https, and a dialect is one that there is', (t) => {
  t.is(problemsOf(webhook, {name: 'a', url: 'file:///etc/passwd'}).length, 1)
  t.deepEqual(problemsOf(webhook, {name: 'a', url: 'https://x.example.org/a?b=c'}), [])
  t.deepEqual(problemsOf(webhook, {name: 'a', url: 'https://x.example.org/', dialect: 'irc'}), [
    'expected one of json, mattermost, slack',
  ])
})
