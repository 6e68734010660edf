// Configurations as their authors meet them: refused with every problem at its place, applied while builds run.
import {appendFileSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {runOstler} from '../../scripts/processes.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-config-'))
  t.teardown(() => rmSync(folder, {recursive: true}))
  return folder
}

const broken = `builders:
  - name: check
    steps:
      - {kind: shell, name: a, comand: make, command: make}
      - {kind: shell, name: b, command: make, timeout: abc}
schedulers:
  - {name: force, kind: force, builders: [chek]}
`
const problems = [
  /^.*ostler\.yaml:4:\d+: builders\[0\]\.steps\[0\]\.comand: unknown key; did you mean command\?$/m,
  /^.*ostler\.yaml:5:\d+: builders\[0\]\.steps\[1\]\.timeout: expected a duration such as 20m, got "abc"$/m,
  /^.*ostler\.yaml:7:\d+: schedulers\[0\]\.builders\[0\]: no builder named chek; did you mean check\?$/m,
]

test('check-config tells every problem of a YAML file at its place, and exits 1', async (t) => {
  const file = join(folderOf(t), 'ostler.yaml')
  writeFileSync(file, broken)
  const {code, stderr} = await runOstler(['check-config', file])
  t.is(code, 1)
  for (const problem of problems) t.regex(stderr, problem)
  const json = await runOstler(['check-config', file, '--json'])
  t.is(json.code, 1)
  const told = JSON.parse(json.stdout) as {problems: {line: number; path: string}[]}
  t.deepEqual(
    told.problems.map(({line}) => line),
    [4, 5, 7],
  )
})

test('check-config is quiet about a good file, and exits 2 without one', async (t) => {
  const file = join(folderOf(t), 'ostler.yaml')
  writeFileSync(file, written([builder('check', [sh('a', 'make')])]))
  t.is((await runOstler(['check-config', file])).code, 0)
  t.is((await runOstler(['check-config'])).code, 2)
  const missing = await runOstler(['check-config', `${file}.not`])
  t.not(missing.code, 0)
  t.regex(missing.stderr, /ostler\.yaml\.not/)
  t.notRegex(missing.stderr, /at .*\.js:/)
})

test('check-config reads TypeScript, and tells its problems at their places', async (t) => {
  const folder = folderOf(t)
  const text = (timeout: string) => `import {defineConfig, shell} from 'ostler/config'

const names = ['a', 'b'] as const
export default defineConfig({
  builders: names.map((name) => ({
    name,
    steps: [shell({name: 'test', command: 'make check', timeout: '${timeout}'})],
  })),
})
`
  writeFileSync(join(folder, 'good.ts'), text('20m'))
  writeFileSync(join(folder, 'bad.ts'), text('abc'))
  writeFileSync(join(folder, 'torn.ts'), 'export default {')
  const good = await runOstler(['check-config', join(folder, 'good.ts')])
  t.is(good.code, 0, good.stderr)
  const bad = await runOstler(['check-config', join(folder, 'bad.ts')])
  t.is(bad.code, 1)
  t.regex(bad.stderr, /bad\.ts:7:\d+: builders\[0\]\.steps\[0\]\.timeout: expected a duration/)
  const torn = await runOstler(['check-config', join(folder, 'torn.ts')])
  t.is(torn.code, 1)
  t.regex(torn.stderr, /torn\.ts:1:\d+: /)
})

test('a master does not start on a broken file, and tells every problem', async (t) => {
  const folder = folderOf(t)
  const file = join(folder, 'ostler.yaml')
  writeFileSync(file, broken)
  const {code, stderr} = await runOstler([
    'master',
    '--config',
    file,
    '--state-dir',
    join(folder, 'state'),
    '--listen',
    '127.0.0.1:0',
  ])
  t.is(code, 2)
  for (const problem of problems) t.regex(stderr, problem)
})

test('a reload applies a good configuration beside a running build, and refuses a bad one', async (t) => {
  const text = (folder: string, word: string) =>
    written([
      builder('b', [
        sh('wait', `echo ${word}; while [ ! -e ${folder}/go ]; do sleep 0.1; done`),
        sh('say', `echo ${word}`),
      ]),
      ...(word === 'two' ? [builder('second', [sh('say', 'echo hi')])] : []),
    ])
  const system = await System.start(t, {
    config: (folder) => text(folder, 'one'),
    workers: [{name: 'w1', maxBuilds: 2}],
  })
  const buildset = await system.force('force', {builder: 'b'})
  const running = await system.until('the build runs', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds?limit=1')
    return items[0] && (await system.log(items[0].id, 'wait').catch(() => '')) !== '' ? items[0] : null
  })
  const hangUp = () => process.kill(system.master.process.pid, 'SIGHUP')
  const names = async () =>
    (await system.api.get<Page<{name: string}>>('/builders')).items.map(({name}) => name)

  system.configure(text(system.folder, 'two'))
  hangUp()
  await system.event(({type, data}) => type === 'config.applied' && data['version'] === '2')
  t.deepEqual(await names(), ['b', 'second'])
  t.is((await system.builds(await system.force('force', {builder: 'second'})))[0]?.result, 'success')

  system.configure(broken)
  hangUp()
  const refused = await system.event(({type}) => type === 'config.refused')
  t.regex(JSON.stringify(refused.data), /did you mean check/)
  t.deepEqual(await names(), ['b', 'second'])
  const said = () => system.master.process.lines.join('\n')
  await system.until('the log says so', async () => (said().includes('refused') ? true : null))
  t.regex(said(), /ostler\.yaml:5:\d+: builders\[0\]\.steps\[1\]\.timeout/)
  const reload = await system.master.ostler('reload')
  t.is(reload.code, 2)
  t.regex(reload.stderr + reload.stdout, /ostler\.yaml:7:\d+/)

  appendFileSync(join(system.folder, 'go'), '')
  const [ended] = await system.builds(buildset)
  t.is(ended?.attempt, running.attempt)
  t.is(ended?.result, 'success')
  t.is(await system.log(running.id, 'say'), 'one\n')
  system.configure(text(system.folder, 'two'))
  t.is((await system.master.ostler('reload')).code, 0)
  const [next] = await system.builds(await system.force('force', {builder: 'b'}))
  t.is(await system.log(next?.id ?? '', 'say'), 'two\n')
})

test('a master whose port is taken says so and ends, and does not go on unheard', async (t) => {
  const folder = folderOf(t)
  const file = join(folder, 'ostler.yaml')
  writeFileSync(
    file,
    'workers:\n  - {name: w1}\nbuilders:\n  - {name: b, steps: [{kind: shell, name: a, command: make}]}\n',
  )
  const other = createServer()
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => other.close())
  const listen = `127.0.0.1:${String((other.address() as AddressInfo).port)}`
  const args = ['master', '--config', file, '--state-dir', join(folder, 'state'), '--listen', listen]
  const {code, stderr} = await runOstler(args)
  t.is(code, 1)
  t.regex(stderr, new RegExp(`another program listens at ${listen} .*--listen HOST:PORT`))
})
