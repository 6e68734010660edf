// The force form's decisions, and how the page says times and sizes.
import test from 'ava'
import {problemsAt, readForm, typedDefault, type Parameter} from '../../../master/web/core/form.ts'
import {sayTone, toneOf} from '../../../master/web/core/marks.ts'
import {
  authorName,
  sayAgo,
  sayBriefly,
  sayBytes,
  sayDuration,
  shortRevision,
  subjectOf,
} from '../../../master/web/core/say.ts'

const parameter = (part: Partial<Parameter>): Parameter => ({
  name: 'p',
  kind: 'string',
  label: '',
  required: false,
  default: null,
  choices: [],
  pattern: null,
  min: null,
  max: null,
  ...part,
})

const fields: readonly [string, Partial<Parameter>, string | boolean | undefined, unknown, string | null][] =
  [
    ['an optional field left empty is not sent', {}, '', undefined, null],
    ['a required one must be filled', {required: true}, '', undefined, 'is required'],
    ['a default stands until something else is typed', {default: 'x'}, undefined, 'x', null],
    ['a whole number is sent as a number', {kind: 'integer'}, '12', 12, null],
    ['letters are no number', {kind: 'integer'}, 'a1', undefined, 'must be a whole number'],
    ['a number has bounds', {kind: 'integer', max: 4}, '5', undefined, 'must be at most 4'],
    ['a pattern holds for the whole text', {pattern: '[a-z]+'}, 'ab1', undefined, 'must match [a-z]+'],
    ['a pattern this browser cannot read is the master’s to judge', {pattern: '(?P<x>a)'}, 'b', 'b', null],
    [
      'a choice is one of those offered',
      {kind: 'choice', choices: ['a']},
      'b',
      undefined,
      'is not one of the choices',
    ],
    ['a tick is sent as true or false', {kind: 'boolean'}, false, false, null],
  ]
for (const [truth, part, typed, sent, problem] of fields)
  test(truth, (t) => {
    const {values, problems} = readForm([parameter(part)], typed === undefined ? {} : {p: typed})
    t.is<unknown, unknown>(values['p'], sent)
    t.is(problems[0]?.message ?? null, problem)
  })

test('a required choice begins with the first', (t) => {
  t.is(typedDefault(parameter({kind: 'choice', required: true, choices: ['a', 'b']})), 'a')
})

test('the master’s problems find their field with or without the prefix', (t) => {
  const problems = [
    {path: 'parameters.p', message: 'one'},
    {path: 'p', message: 'two'},
    {path: 'q', message: 'three'},
  ]
  t.deepEqual(problemsAt(problems, 'parameters.p'), ['one', 'two'])
})

const said: readonly [string, string][] = [
  [sayDuration(400), '0.4 s'],
  [sayDuration(59_700), '1 min 00 s'],
  [sayDuration(7_500_000), '2 h 05 min'],
  [sayDuration(-5), '0.0 s'],
  [sayBriefly(125_000), '2m'],
  [sayAgo(300_000), '5 min ago'],
  [sayAgo(-7_200_000), 'in 2 h'],
  [sayBytes(2345), '2.3 KB'],
  [sayBytes(17), '17 B'],
  [shortRevision('a'.repeat(40)), 'a'.repeat(10)],
  [shortRevision('v1.0'), 'v1.0'],
  [subjectOf('one\ntwo'), 'one'],
  [authorName('Ada <ada@example.org>'), 'Ada'],
  [authorName('<only@example.org>'), '<only@example.org>'],
]
for (const [got, wanted] of said) test(`“${wanted}” is said so`, (t) => t.is(got, wanted))

test('every state has a word', (t) => {
  t.is(sayTone(toneOf({state: 'running', result: null})), 'running')
  t.is(sayTone(toneOf({state: 'finished', result: 'exception'})), 'broke')
})
