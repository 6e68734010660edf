import {readFileSync} from 'node:fs'
import test from 'ava'
import {stepKinds} from '../../config/kinds/steps/index.ts'
import {jsonSchema, reference} from '../../config/print.ts'

const bare = (text: string): string => text.replace(/\s+/g, '')

test('the printed reference and schema are those of the kinds', (t) => {
  t.is(bare(readFileSync('config/reference.md', 'utf8')), bare(reference()))
  t.deepEqual(JSON.parse(readFileSync('config/ostler.schema.json', 'utf8')), jsonSchema())
})

test('every option of every step is in the reference', (t) => {
  const text = reference()
  for (const {shape} of stepKinds)
    for (const name of Object.keys(shape.shape))
      if (name !== 'kind') t.true(text.includes(`| \`${name}\` |`), name)
})

test('no row of the reference lacks its meaning', (t) => {
  const rows = reference()
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  for (const row of rows) t.notRegex(row, /\| {2}\|$/)
})
