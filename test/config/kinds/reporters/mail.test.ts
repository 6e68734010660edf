import test from 'ava'
import fc from 'fast-check'
import type {Letter} from '../../../../config/kinds/letter.ts'
import {mail, mailText, recipientsOf, subjectOf, tailOf} from '../../../../config/kinds/reporters/mail.ts'
import {loadYaml, problemText} from '../../../../config/load.ts'
import {parseMailbox} from '../../../../config/terms/addresses.ts'
import {checkKind, problemsOf} from '../check.ts'

const letter: Letter = {
  delivery: 'mail-7',
  event: 'problem',
  at: '2026-01-01T00:00:00.000Z',
  title: 'check #7 failure on main (problem)',
  link: 'https://ci.example.org/builds/7',
  about: null,
  tone: 'bad',
  text: ['check #7 on main failed.', 'Changes:\n  abc Ann: x'],
  fields: [],
  thread: 'build check main',
  failed: {step: 'test', log: '3'},
}

test('the example of the mail reporter loads, and each option is described', (t) => {
  t.like(mail.resolve(checkKind(t, mail)), {
    to: ['dev@example.org', 'authors'],
    subjectPrefix: '[Ostler]',
    smtp: {host: 'mail.example.org', port: 587, tls: 'starttls', user: 'ostler'},
    on: ['problem', 'fixed', 'conflict', 'resolved', 'diverged', 'refused'],
  })
})

const given = (smtp: object, more: object = {}) =>
  problemsOf(mail, {name: 'm', from: 'a@example.org', to: ['b@example.org'], smtp, ...more})

test('a password crosses no network in the clear, and belongs to a user', (t) => {
  const password = {secret: 'p'}
  t.deepEqual(given({host: 'mail.example.org'}), [])
  t.deepEqual(given({host: 'localhost', user: 'u', password, tls: 'never'}), [])
  t.deepEqual(given({host: 'mail.example.org', user: 'u', password}), [])
  t.regex(given({host: 'mail.example.org', user: 'u', password, tls: 'ifOffered'}).join(), /in the clear/)
  t.deepEqual(given({host: 'h', user: 'u'}), ['a user needs a password: {secret: NAME}'])
  t.deepEqual(given({host: 'h', password}), ['a password needs a user'])
})

test('what cannot be an address is told at its line', (t) => {
  const text = [
    'reporters:',
    '  - name: m',
    '    kind: mail',
    '    from: nobody',
    '    to: [dev@example.org, author]',
    '    rules: [stable]',
    '    smtp: {host: h, tls: on, password: {secret: p}}',
  ].join('\n')
  t.deepEqual(loadYaml(text, 'o.yaml').problems.map(problemText), [
    'o.yaml:4:11: reporters[0].from: expected an address such as dev@example.org, or Name <dev@example.org>, got "nobody"',
    'o.yaml:5:27: reporters[0].to[1]: expected an address such as dev@example.org, or the word authors, got "author"',
    'o.yaml:6:13: reporters[0].rules[0]: no promotion rule named stable',
    'o.yaml:7:26: reporters[0].smtp.tls: expected one of tls, starttls, ifOffered, never, got "on"',
  ])
})

test('an address is taken apart, and what could end a header is none', (t) => {
  t.deepEqual(parseMailbox('Ann O’Hara <ann@example.org>'), {name: 'Ann O’Hara', address: 'ann@example.org'})
  t.deepEqual(parseMailbox(' ann@example.org '), {name: '', address: 'ann@example.org'})
  for (const bad of [
    'ann',
    'ann@',
    '@x',
    'a b@example.org',
    'ann@example.org\nBcc: x@example.org',
    'A\r\nBcc: x@y <ann@example.org>',
    'a <b@example.org>, c@example.org',
    'a@example..org',
  ])
    t.is(parseMailbox(bad), null, bad)
})

test('the authors are among the recipients only where they are asked for, and nobody gets it twice', (t) => {
  const authors = ['Ann <ann@example.org>', 'Bob <DEV@example.org>', 'Root <root>', 'nobody']
  t.deepEqual(recipientsOf({to: ['dev@example.org']}, authors), ['dev@example.org'])
  t.deepEqual(recipientsOf({to: ['authors']}, authors), ['ann@example.org', 'DEV@example.org'])
  t.is(recipientsOf({to: ['dev@example.org', 'authors']}, authors).length, 2)
  t.deepEqual(recipientsOf({to: ['authors']}, []), [])
  const many = Array.from({length: 80}, (_, n) => `a${String(n)}@example.org`)
  t.is(recipientsOf({to: ['authors']}, many).length, 50)
})

test('a mail says what, why, where, and how the failed step ended', (t) => {
  t.is(subjectOf({subjectPrefix: '[CI]'}, letter), '[CI] check #7 failure on main (problem)')
  t.is(
    mailText(letter, 'one\n\ntwo'),
    `check #7 on main failed.

Changes:
  abc Ann: x

https://ci.example.org/builds/7

The last lines of “test”:

    one

    two
`,
  )
  t.false(mailText(letter, null).includes('last lines'))
})

test('the end of a log is shown without colours, control characters and what was written over', (t) => {
  t.is(tailOf('\u001b[31mred\u001b[0m\r\n 10%\r 20%\rdone\nbell\u0007\tx\n\n\n'), 'red\ndone\nbell    x')
  t.is(tailOf('a\nb\nc\n', 2), 'b\nc')
  t.is(tailOf('x'.repeat(1000)).length, 500)
  t.true(tailOf(`${'y'.repeat(400)}\n`.repeat(40)).length <= 6000)
  t.is(tailOf(''), '')
})

test('no title makes a second header', (t) => {
  fc.assert(
    fc.property(fc.string({unit: 'binary', maxLength: 400}), (title) => {
      const subject = subjectOf({subjectPrefix: '[x]'}, {...letter, title})
      return !/[\u0000-\u001f\u007f]/.test(subject) && subject.length <= 200
    }),
  )
  t.pass()
})
