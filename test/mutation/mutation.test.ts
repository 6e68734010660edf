// Fast: the table is kept in step with the code. `npm run mutate` takes each guard away and runs its test.
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import ts from 'typescript'
import {repository} from '../support/sources.ts'
import {compiled} from './copy.ts'
import {GuardMoved, mutated} from './guard.ts'
import {guards} from './guards.ts'
import {readOptions} from './main.ts'

const read = (file: string) => {
  const path = join(repository, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

test('every guard of the table is in its file exactly once, and its mutant compiles', (t) => {
  for (const guard of guards) {
    const {file, name} = guard
    t.notThrows(() => compiled(file, mutated(read(file), guard)), name)
  }
})

test('a file compiled by itself is what the compiler made of it among the others', (t) => {
  for (const file of new Set(guards.map((guard) => guard.file))) {
    const whole = read(`dist/${file.replace(/ts$/, 'js')}`).replace(/\/\/# sourceMappingURL=.*$/, '')
    t.is(compiled(file, read(file)).trim(), whole.trim(), file)
  }
})

test('every guard of the table names a test that there is', (t) => {
  for (const {name, test, title} of guards) t.true(titlesIn(test).has(title), `${name}: ${test}: ${title}`)
})

test('guards have names of their own', (t) => {
  t.is(new Set(guards.map(({name}) => name)).size, guards.length)
})

test('a guard that moved is told with its text', (t) => {
  const guard = {
    name: 'x',
    without: '',
    file: 'a.ts',
    test: '',
    title: '',
    changes: [{text: 'if', instead: ''}],
  }
  t.throws(() => mutated('', guard), {instanceOf: GuardMoved, message: /a\.ts has no longer the text\nif/})
  t.throws(() => mutated('if if', guard), {instanceOf: GuardMoved, message: /a\.ts has 2 times/})
  t.is(mutated('if x', guard), ' x')
})

test('guards are chosen by name, and a name that none has is told', (t) => {
  t.is(readOptions([])?.chosen.length, guards.length)
  t.deepEqual(
    readOptions(['--only', 'torn-tail,body-limit'])?.chosen.map(({name}) => name),
    ['torn-tail', 'body-limit'],
  )
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--only', 'nothing']), {message: /no guard is named nothing/})
})

const found = new Map<string, ReadonlySet<string>>()

/** Every text of a test file: titles also stand in tables. */
function titlesIn(file: string): ReadonlySet<string> {
  const known = found.get(file)
  if (known) return known
  const titles = new Set<string>()
  const visit = (node: ts.Node) => {
    if (ts.isStringLiteralLike(node)) titles.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2023))
  found.set(file, titles)
  return titles
}
