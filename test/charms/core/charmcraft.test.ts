// Our own check of charmcraft.yaml: ours pass, and what Juju would refuse, or nobody could use, is told.
import test from 'ava'
import {problemsOf, spread} from '../../../charms/core/charmcraft.ts'
import {actionsOf} from '../../../charms/world/actions.ts'
import {charmcraft} from '../controller.ts'

for (const role of ['master', 'worker'] as const) {
  test(`the charmcraft.yaml of the ${role} says nothing wrong`, (t) => {
    t.deepEqual(problemsOf(charmcraft(role)), [])
  })

  test(`every action of the ${role} in charmcraft.yaml is one that the program has, and the other way round`, (t) => {
    t.deepEqual(Object.keys(charmcraft(role).actions).sort(), actionsOf(role))
  })
}

const good = {
  name: 'a-charm',
  summary: 's',
  description: 'd',
  type: 'charm',
  base: 'ubuntu@26.04',
  platforms: {amd64: null},
  parts: {},
}
const wrongs: readonly [string, object, string][] = [
  [
    'a type that charmcraft takes and Juju does not',
    {config: {options: {n: {type: 'integer', description: 'd'}}}},
    'config n: type is one of',
  ],
  [
    'a default of another type',
    {config: {options: {n: {type: 'int', description: 'd', default: '1'}}}},
    'its default is no int',
  ],
  ['an option without description', {config: {options: {n: {type: 'int'}}}}, 'config n has no description'],
  [
    'a secret with a default',
    {config: {options: {n: {type: 'secret', description: 'd', default: 'x'}}}},
    'has no default',
  ],
  ['an endpoint without interface', {provides: {web: {}}}, 'provides web has no interface'],
  [
    'two endpoints of one name',
    {provides: {a: {interface: 'i'}}, requires: {a: {interface: 'i'}}},
    'a is the name of two endpoints',
  ],
  [
    'an action that requires what it does not take',
    {actions: {go: {description: 'd', required: ['x']}}},
    'go requires x',
  ],
  ['a word that is not known', {configs: {}}, 'configs is not known'],
]
for (const [title, more, problem] of wrongs)
  test(`${title} is told`, (t) => {
    const problems = problemsOf({...good, ...more})
    t.is(problems.length, 1)
    t.true(problems[0]?.includes(problem), problems[0])
  })

test('what is needed and missing is told all at once', (t) => {
  t.is(problemsOf({name: 'a', type: 'charm'}).length, 5)
})

test("a charm is spread over Juju's own files", (t) => {
  const files = spread({...good, config: {options: {}}, provides: {web: {interface: 'http'}}})
  t.deepEqual(files, {
    'metadata.yaml': {name: 'a-charm', summary: 's', description: 'd', provides: {web: {interface: 'http'}}},
    'config.yaml': {options: {}},
    'manifest.yaml': {bases: [{name: 'ubuntu', channel: '26.04', architectures: ['amd64']}]},
  })
})
