// This repository is one of its own builders: the configuration for it in config/examples is true, and its sources,
// as they lie here, go through a master and a worker.
import {cpSync, mkdirSync, readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {runOstler} from '../../scripts/processes.ts'
import {Repository} from '../support/repository.ts'
import {allFiles, repository} from '../support/sources.ts'
import {System} from '../support/system.ts'

const example = 'config/examples/ostler.yaml'
const text = (path: string) => readFileSync(join(repository, path), 'utf8')

test("the example for this repository is good, and its builder runs what this repository's gate runs", async (t) => {
  const checked = await runOstler(['check-config', join(repository, example)])
  t.is(checked.code, 0, checked.stderr)
  const {scripts} = JSON.parse(text('package.json')) as {scripts: Record<string, string>}
  t.deepEqual(commands(), ['npm ci', 'npm run check', 'npm test'])
  for (const name of ['check', 'test']) t.truthy(scripts[name])
  t.regex(text('.ci/run'), /^npm test -- "\$@" \|\| status=/m)
})

test('these sources go through the builder of the example', async (t) => {
  t.timeout(240_000)
  const sources = await sourcesInARepository(t)
  const system = await System.start(t, {
    config: () => shortened(sources.url),
    workers: [{name: 'here', labels: {os: 'linux'}}],
  })
  const look = async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?revision=${sources.revision}`)
    return items.find(({state}) => state === 'finished')
  }
  const build = await system.until('these sources are built', look, 180_000)
  t.is(build.result, 'success', build.summary)
  t.is((await system.log(build.id, 'check')).trim(), String(sources.files))
  const {version} = JSON.parse(text('package.json')) as {version: string}
  t.is(build.properties['version'], version)
})

/** The example as it is, but watching this repository, without delay, and with what takes minutes left out. */
function shortened(url: string): string {
  return [
    ['url: https://git.example.org/ostler', `url: ${JSON.stringify(url)}`],
    ['pollInterval: 30s', 'pollInterval: 1s'],
    ['treeStableTimer: 10s', 'treeStableTimer: 0s'],
    ['command: npm ci', 'command: node --check scripts/demo.mjs'],
    ['command: npm run check', 'command: git status --porcelain && git ls-files | wc -l'],
    ['command: npm test', 'command: test -x .ci/run'],
  ].reduce((yaml, [from = '', to = '']) => {
    if (!yaml.includes(from)) throw new Error(`${example} does not say ${from}`)
    return yaml.replace(from, to)
  }, text(example))
}

/** The files of this checkout in a repository of their own: a checkout may be shallow, detached or somebody else's. */
async function sourcesInARepository(t: ExecutionContext) {
  const own = await Repository.make(t)
  const files = allFiles()
  for (const path of files) {
    mkdirSync(dirname(join(own.clone, path)), {recursive: true})
    cpSync(join(repository, path), join(own.clone, path))
  }
  await own.git('add', '--all', '--force')
  await own.git('commit', '--quiet', '-m', 'the sources as they lie here')
  await own.push('main', 'main:stable')
  return {url: `file://${own.server}`, revision: await own.git('rev-parse', 'HEAD'), files: files.length}
}

/** The npm commands of the example's steps, in their order. */
const commands = () =>
  Array.from(text(example).matchAll(/command: (npm [^,}]*)/g), ([, command = '']) => command.trim())
