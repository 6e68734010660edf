import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {problemText} from '../../../config/load.ts'
import {readConfiguration} from '../../../master/world/configuration.ts'

const directory = mkdtempSync(join(tmpdir(), 'ostler-test-configuration-'))
// What the reader puts into the temporary directory is then ours alone to look for.
process.env['TMPDIR'] = directory
test.after.always(() => {
  rmSync(directory, {recursive: true, force: true})
})

const file = (name: string, text: string | Uint8Array): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** The problems of a file, with its directory left out. */
const problems = async (path: string, evaluationMs = 20_000) => {
  const {problems: found} = await readConfiguration(path, {evaluationMs})
  return found.map((problem) => problemText(problem).replace(path, path.slice(directory.length + 1)))
}

test.serial('the example in TypeScript is evaluated to the same sort of data as YAML', async (t) => {
  const {config, problems: found, inputs, hash} = await readConfiguration('config/examples/full.ts')
  t.deepEqual(found, [])
  t.deepEqual(
    config?.builders.map(({name}) => name),
    ['lp-devel-jammy', 'lp-devel-noble'],
  )
  t.is(inputs.length, 1)
  t.is((await readConfiguration('config/examples/full.ts')).hash, hash)
})

test.serial(
  'problems in TypeScript point at where the value was written, through functions, loops, spreads and imports',
  async (t) => {
    file('more.ts', "export const more = {kind: 'shell' as const, command: 'x', bogus: 1}\n")
    const path = file(
      'places.ts',
      [
        "import {defineConfig, shell} from 'ostler/config'",
        "import {more} from './more.ts'",
        'const {a, b: [c]} = {a: 1, b: [2]}',
        "const base = {timeout: 'abc', ...{flunkOnFailure: true}}",
        'export default defineConfig({',
        "  builders: ['x'].map((name) => ({",
        '    name,',
        '    tags: [`${a}${c}`],',
        "    steps: [shell({name: 's', comand: 'make', timeout: 'soon'}), {kind: 'shell', command: 'x', ...base}, more],",
        '  })),',
        "  schedulers: [{kind: 'force', name: 'f', builders: ['y']}],",
        '})',
      ].join('\n'),
    )
    const {problems: found, inputs} = await readConfiguration(path)
    const places = found.map(
      ({file: at, line, column, path: where}) =>
        `${at.split('/').pop() ?? ''}:${String(line)}:${String(column)} ${where}`,
    )
    t.deepEqual(places.sort(), [
      'more.ts:1:60 builders[0].steps[2].bogus',
      'places.ts:11:54 schedulers[0].builders[0]',
      'places.ts:4:24 builders[0].steps[1].timeout',
      'places.ts:9:31 builders[0].steps[0].comand',
      'places.ts:9:56 builders[0].steps[0].timeout',
    ])
    t.deepEqual(inputs.map((input) => input.split('/').pop()).sort(), ['more.ts', 'places.ts'])
  },
)

test.serial('what is thrown is told at the line that threw it', async (t) => {
  const path = file(
    'throws.ts',
    "const a: {b: number[]} = {b: [1]}\nexport default {builders: [(() => { throw new TypeError('boom') })(), a]}\n",
  )
  t.deepEqual(await problems(path), ['throws.ts:2:43: it throws: TypeError: boom'])
})

test.serial('functions, circles and what is not data are problems at their places', async (t) => {
  t.deepEqual(
    await problems(
      file('functions.ts', 'export default {builders: [() => 1, undefined, new Date(0)], a: 1n}'),
    ),
    [
      'functions.ts:1:28: builders[0]: expected data, got a function; call it, and give what it returns',
      'functions.ts:1:37: builders[1]: expected data, got undefined',
      'functions.ts:1:48: builders[2]: expected data, got an object of class Date',
      'functions.ts:1:65: a: expected data, got bigint',
    ],
  )
  t.deepEqual(
    await problems(file('circle.ts', "const a: any = {title: 'x'}\na.self = a\nexport default a")),
    ['circle.ts:1:16: self: expected data, got an object that contains itself'],
  )
})

test.serial('an option that is undefined is not given', async (t) => {
  const {config} = await readConfiguration(
    file('undefined.ts', "export default {title: 'x', url: undefined}"),
  )
  t.is(config?.url, null)
})

test.serial('syntax errors and missing modules are told with their place', async (t) => {
  t.deepEqual(await problems(file('syntax.ts', 'export default {builders: [}')), [
    'syntax.ts:1:28: Unexpected "}"',
  ])
  t.deepEqual(await problems(file('import.ts', "import {x} from './nowhere'\nexport default x")), [
    'import.ts:1:17: Could not resolve "./nowhere"',
  ])
})

test.serial('an endless loop, an endless wait and an early exit are told', async (t) => {
  t.regex(
    (await problems(file('loop.ts', 'for (;;);\nexport default {}'), 3000)).join(),
    /did not come to an end within 3 seconds/,
  )
  t.regex(
    (await problems(file('wait.ts', 'await new Promise(() => {})\nexport default {}'))).join(),
    /waits for something that never comes/,
  )
  t.regex((await problems(file('exit.ts', 'process.exit(0)'))).join(), /must not call process.exit/)
  t.regex((await problems(file('nothing.ts', 'export const x = 1'))).join(), /export default/)
})

test.serial('a configuration sees none of the secrets in the environment, and may print', async (t) => {
  process.env['OSTLER_TEST_SECRET'] = 'hunter2'
  const {config} = await readConfiguration(
    file(
      'env.mjs',
      "console.log('x'.repeat(1e6))\nexport default {title: process.env.OSTLER_TEST_SECRET ?? 'nothing'}",
    ),
  )
  delete process.env['OSTLER_TEST_SECRET']
  t.is(config?.title, 'nothing')
})

test.serial(
  'a file that is missing, is a directory, has another ending or is not text is told',
  async (t) => {
    t.regex((await problems(join(directory, 'none.yaml'))).join(), /there is no such file/)
    t.regex((await problems(join(directory, 'none.ts'))).join(), /there is no such file/)
    t.regex((await problems(file('a.toml', ''))).join(), /expected a file ending in \.yaml/)
    t.regex((await problems(file('bytes.yaml', Uint8Array.of(0xff, 0xfe, 0x00)))).join(), /is not UTF-8 text/)
    t.regex((await problems(file('large.yaml', 'x'.repeat(4 * 1024 * 1024 + 1)))).join(), /at most 4 MiB/)
  },
)

test.serial('JSON is read as it lies, and the hash follows the configuration and not its text', async (t) => {
  const one = await readConfiguration(file('one.json', '{"title": "x"}'))
  const two = await readConfiguration(file('two.yaml', '# a comment\ntitle: x\n'))
  const other = await readConfiguration(file('three.yaml', 'title: y\n'))
  t.is(one.hash, two.hash)
  t.not(one.hash, other.hash)
})

test.serial('nothing is left behind', (t) => {
  t.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('ostler-config-')),
    [],
  )
})
