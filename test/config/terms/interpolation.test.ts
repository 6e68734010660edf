import test from 'ava'
import fc from 'fast-check'
import {templateShape} from '../../../worker/protocol/plan.ts'
import {fill, holesIn, parseTemplate, secretsIn} from '../../../config/terms/interpolation.ts'

const parse = (text: string) => parseTemplate(text, ['branch', 'revision'], true)

test('text with holes becomes a template', (t) => {
  t.deepEqual(parse('a ${branch} b ${props.v:12} ${props.x:-} ${props.x:3:-y z} ${secret.key}').template, [
    'a ',
    {prop: 'branch'},
    ' b ',
    {prop: 'v', take: 12},
    ' ',
    {prop: 'x', otherwise: ''},
    ' ',
    {prop: 'x', take: 3, otherwise: 'y z'},
    ' ',
    {secret: 'key'},
  ])
  t.deepEqual(parse('').template, [])
})

test("two signs are the shell's own, and one alone is itself", (t) => {
  t.deepEqual(parse('$${HOME} $HOME $(x) $$ $').template, ['${HOME} $HOME $(x) $$ $'])
  t.deepEqual(parse('${branch}$${A}${branch}').template, [{prop: 'branch'}, '${A}', {prop: 'branch'}])
})

test('what is no hole is told with its remedy', (t) => {
  for (const text of [
    '${',
    '${}',
    '${branch',
    '${HOME}',
    '${props.}',
    '${props.a b}',
    '${secret.x:3}',
    '${secret.x:-y}',
    '${branch:0}',
    '${secret..}',
  ])
    t.is(parse(text).faults.length, 1, text)
  t.deepEqual(parse('${brnch}').faults, [
    '${brnch} is not known here; did you mean branch? ${props.NAME} is a property, $${brnch} is for the shell',
  ])
})

test('secrets are found wherever they are, once and in order', (t) => {
  t.deepEqual(
    secretsIn([{env: {A: [{secret: 'b'}, 'x', {secret: 'a'}]}, command: {argv: [[{secret: 'b'}], ['y']]}}]),
    ['a', 'b'],
  )
  t.deepEqual(holesIn({command: ['x', ['y', {prop: 'p'}]]}), [{hole: {prop: 'p'}, path: ['command', 1]}])
})

test('a template is filled with what is known', (t) => {
  t.is(
    fill(parse('${branch}/${revision:3}/${props.x:-none}/${props.y}').template, {
      branch: 'main',
      revision: 'abcdef',
      y: {a: 1},
    }),
    'main/abc/none/{"a":1}',
  )
})

test('every text is read, and any text can be written with two signs', (t) => {
  const parts = fc.array(fc.constantFrom('$', '{', '}', '${', 'props.', 'secret.', 'x', ':', '-', '3', ' '))
  fc.assert(
    fc.property(parts, (some) => {
      const text = some.join('')
      templateShape.parse(parse(text).template)
      return fill(parse(text.replaceAll('${', () => '$${')).template, {}) === text
    }),
    {numRuns: 500},
  )
  t.pass()
})
