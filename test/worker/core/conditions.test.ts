import test from 'ava'
import {holds} from '../../../worker/core/conditions.ts'

const scene = {
  result: 'success' as const,
  props: {n: 4, list: ['a'], name: 'x'},
  steps: {make: {result: 'failure' as const}},
  branch: 'main',
  revision: 'abc',
}
const truths: readonly [string, boolean][] = [
  ["result == 'success'", true],
  ["steps.make.result == 'failure' && branch == 'main'", true],
  ['props.n / 2 == 2', true],
  ["'a' in props.list", true],
  ["revision.startsWith('b')", false],
]
for (const [condition, value] of truths)
  test(`${condition} is ${String(value)}`, (t) => t.deepEqual(holds(condition, scene), {holds: value}))

for (const condition of [
  'props.nothing == 1',
  'result',
  'process.exit()',
  '1 ==',
  "''.constructor.constructor('x')() == 1",
])
  test(`${condition} is an error, never a guess`, (t) => t.true('error' in holds(condition, scene)))
