// The words of the notices, as people read them: `notices.golden.txt` holds each letter. A change of the words is a change
// of that file, to be read: `OSTLER_WRITE_GOLDEN=1` writes it anew.
import {readFileSync, writeFileSync} from 'node:fs'
import test from 'ava'
import type {Letter} from '../../../config/kinds/letter.ts'
import {authorsOf, buildLetter, promotionLetter} from '../../../master/core/notices.ts'
import {buildNews, postmark, promotionNews} from '../../support/news.ts'

const golden = 'test/master/core/notices.golden.txt'

const letters: readonly Letter[] = [
  buildLetter(postmark('started'), buildNews({result: null, failed: null})),
  buildLetter(postmark('problem'), buildNews()),
  buildLetter(
    postmark('failure'),
    buildNews({
      result: 'exception',
      before: 'failure',
      failed: null,
      summary: 'no worker has the label',
      changes: [],
    }),
  ),
  buildLetter(postmark('fixed'), buildNews({result: 'success', before: 'failure', failed: null})),
  buildLetter(
    postmark('finished'),
    buildNews({result: 'cancelled', summary: 'cancelled by ann', failed: null, branch: null, revision: null}),
  ),
  promotionLetter(
    postmark('promoted'),
    promotionNews({rule: 'stable', kind: 'fastForward', from: 'master', to: 'stable'}),
  ),
  promotionLetter(postmark('carried'), promotionNews()),
  promotionLetter(
    postmark('conflict'),
    promotionNews({files: ['a.py', 'lib/b.py'], authors: ['Ann <ann@example.org>', 'Bob <bob@example.org>']}),
  ),
  promotionLetter(postmark('conflict'), promotionNews({files: ['a.py'], since: '2026-11-20T08:15:00Z'})),
  promotionLetter(postmark('resolved'), promotionNews()),
  promotionLetter(
    postmark('diverged'),
    promotionNews({
      rule: 'stable',
      from: 'master',
      to: 'stable',
      reasons: ['stable has 1 commit that master does not have'],
    }),
  ),
  promotionLetter(postmark('refused'), promotionNews({error: 'remote: protected branch\nhook declined'})),
  promotionLetter(postmark('held'), promotionNews({by: 'ann', reason: 'release day'})),
  promotionLetter(postmark('released'), promotionNews({by: 'ann'})),
]

const shown = ({title, link, tone, text, fields, thread}: Letter): string =>
  [
    `Subject: ${title}`,
    `Thread: ${thread}`,
    `Tone: ${tone}`,
    ...fields.map(({name, value}) => `Field: ${name} = ${value}`),
    '',
    text.join('\n\n'),
    '',
    link ?? '',
  ].join('\n')

test('every notice reads as it was agreed', (t) => {
  const text = `${letters.map(shown).join(`\n${'-'.repeat(72)}\n`)}\n`
  if (process.env['OSTLER_WRITE_GOLDEN']) writeFileSync(golden, text)
  t.is(text, readFileSync(golden, 'utf8'))
})

test('what is over a bound is counted, not listed', (t) => {
  const change = {revision: 'a'.repeat(40), author: 'Ann', subject: 's'}
  const build = buildLetter(postmark('problem'), buildNews({changes: Array(30).fill(change), changesMore: 7}))
  t.regex(build.text.join('\n'), /and 27 more/)
  const files = Array.from({length: 25}, (_, n) => `file-${String(n)}`)
  t.regex(promotionLetter(postmark('conflict'), promotionNews({files})).text.join('\n'), /and 5 more/)
})

test('words from outside cannot begin a line of their own', (t) => {
  const evil = 'x\nBcc: evil@example.org'
  const build = buildLetter(
    postmark('problem'),
    buildNews({
      branch: evil,
      reason: evil,
      changes: [{revision: 'a', author: evil, subject: evil}],
      failed: {step: evil, summary: evil, log: null},
    }),
  )
  const promotion = promotionLetter(
    postmark('conflict'),
    promotionNews({from: evil, to: evil, files: [evil], authors: [evil]}),
  )
  for (const {title, text, fields} of [build, promotion])
    for (const one of [title, ...text, ...fields.map(({value}) => value)]) t.notRegex(one, /^Bcc/m)
})

test('a letter says the same each time, and an author is named once', (t) => {
  t.deepEqual(buildLetter(postmark('problem'), buildNews()), buildLetter(postmark('problem'), buildNews()))
  const change = {revision: 'a', author: 'Ann', subject: 's'}
  t.deepEqual(authorsOf({changes: [change, change]}), ['Ann'])
})
