import test from 'ava'
import type {Force} from '../../../../config/config.ts'
import {force, readParameters} from '../../../../config/kinds/schedulers/force.ts'
import {checkKind, problemsOf} from '../check.ts'

const nowhere = {timezone: 'UTC', sources: [], builders: []}
const scheduler = (parameters: readonly object[]): Force =>
  force.resolve(
    force.shape.parse({kind: 'force', name: 'f', builders: ['check'], parameters}),
    nowhere,
  ) as Force

const parameters = [
  {name: 'issue', kind: 'integer', required: true, min: 1, max: 10},
  {name: 'note', pattern: '[a-z]+'},
  {name: 'long', kind: 'text', max: 20},
  {name: 'thorough', kind: 'boolean', default: true},
  {name: 'suite', kind: 'choice', choices: ['unit', 'all'], default: 'all'},
]

test('the example of force loads, and each option is described', (t) => {
  t.like(force.resolve(checkKind(t, force), nowhere), {
    label: 'force',
    parameters: [{name: 'issue', label: 'issue', required: true}],
  })
})

test('parameters become typed properties, with defaults for what is not given', (t) => {
  t.deepEqual(readParameters(scheduler(parameters), {issue: 3}).properties, {
    issue: 3,
    thorough: true,
    suite: 'all',
  })
  t.deepEqual(
    readParameters(scheduler(parameters), {
      issue: '3',
      note: ' abc ',
      long: 'a\r\nb',
      thorough: 'off',
      suite: 'unit',
    }).properties,
    {
      issue: 3,
      note: 'abc',
      long: 'a\nb',
      thorough: false,
      suite: 'unit',
    },
  )
})

test('every problem with parameters is told at once', (t) => {
  t.deepEqual(
    readParameters(scheduler(parameters), {
      note: 'A',
      isue: 3,
      thorough: 'maybe',
      suite: 'al',
      long: 'x'.repeat(21),
    }).problems,
    [
      {path: 'parameters.isue', message: 'unknown parameter; did you mean issue?'},
      {path: 'parameters.issue', message: 'missing'},
      {path: 'parameters.note', message: 'expected what matches [a-z]+'},
      {path: 'parameters.long', message: 'expected at most 20 characters'},
      {path: 'parameters.thorough', message: 'expected true or false'},
      {path: 'parameters.suite', message: 'expected one of unit, all; did you mean all?'},
    ],
  )
  for (const issue of [0, 11, 1.5, '1.5', 'x', true, {}, [1], Number.NaN]) {
    t.is(readParameters(scheduler(parameters), {issue}).problems.length, 1, JSON.stringify(issue))
  }
})

test('a pattern must match the whole text, and a string is one line', (t) => {
  t.is(readParameters(scheduler([{name: 'note', pattern: 'a+'}]), {note: 'aab'}).problems.length, 1)
  t.is(readParameters(scheduler([{name: 'note'}]), {note: 'a\nb'}).problems.length, 1)
})

test('names that every object has are parameters like others', (t) => {
  t.deepEqual(readParameters(scheduler([{name: 'constructor'}]), {}).properties, {})
})

test('parameters that contradict themselves are problems', (t) => {
  const wrong = (parameter: object) =>
    problemsOf(force, {name: 'f', builders: ['check'], parameters: [parameter]})
  t.deepEqual(wrong({name: 'a', kind: 'choice'}), ['a choice needs choices'])
  t.deepEqual(wrong({name: 'a', choices: ['x']}), ['only a choice has choices, not string'])
  t.deepEqual(wrong({name: 'a', kind: 'integer', min: 3, max: 2}), [
    'the greatest value is below the least, 3',
  ])
  t.deepEqual(wrong({name: 'a', kind: 'integer', default: 'x'}), ['expected a whole number'])
  t.deepEqual(wrong({name: 'a', kind: 'boolean', pattern: 'x'}), [
    'only string and text have a pattern, not boolean',
  ])
  t.deepEqual(wrong({name: 'branch'}), ['every build has its own branch; choose another name'])
  t.is(wrong({name: 'a', kind: 'file'}).length, 1)
})
