// `npm run mutate`: takes one guard after the other away, in a copy of the compiled code, and expects the named test to
// go red. A mutant that stays green is a promise that nothing proves. README.md tells more.
import {parseArgs} from 'node:util'
import {type Cluster, startCluster} from '../support/cluster.ts'
import {command} from '../support/command.ts'
import {whyAbsent} from '../support/parts.ts'
import {Copy} from './copy.ts'
import {type Guard, GuardMoved, titleOf} from './guard.ts'
import {guards} from './guards.ts'
import {type End, runNamed} from './run.ts'

const usage = `npm run mutate [-- OPTIONS]

Takes each guard of the table out of a copy of the code and expects the named test to go red.
Exits with 1 when a mutant survived, a guard moved, or a named test is not green to begin with.

  --only NAME    only these guards (may be given more than once, or as A,B)
  --list         only prints the table of guards
  --json         prints the results as JSON
  --help         this

`

/** red: the test noticed. survived: it did not. moved, broken: the table or the test is wrong. skipped: cannot run here. */
export interface Result {
  readonly guard: string
  readonly file: string
  readonly test: string
  readonly title: string
  readonly result: 'red' | 'survived' | 'moved' | 'broken' | 'skipped'
  readonly why: string
  readonly seconds: number
}

export interface MutateOptions {
  readonly chosen: readonly Guard[]
  readonly list: boolean
  readonly json: boolean
}

/** Runs the words of the command line; answers the exit code. */
export function mutate(args: readonly string[]): Promise<number> {
  return command(usage, () => readOptions(args), runMutate)
}

async function runMutate(options: MutateOptions): Promise<number> {
  if (options.list) {
    console.log(columns(options.chosen.map(({name, file, without}) => [name, file, without])))
    return 0
  }
  const results = await judge(options.chosen)
  console.log(options.json ? JSON.stringify(results, null, 2) : report(results))
  return results.every(({result}) => result === 'red' || result === 'skipped') ? 0 : 1
}

/** What the words ask for; null asks for help. Throws on words that mean nothing. */
export function readOptions(args: readonly string[]): MutateOptions | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      only: {type: 'string', multiple: true, default: []},
      list: {type: 'boolean', default: false},
      json: {type: 'boolean', default: false},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  const names = values.only.flatMap((each) => each.split(','))
  const unknown = names.filter((name) => !guards.some((guard) => guard.name === name))
  if (unknown.length > 0) throw new Error(`no guard is named ${unknown.join(', ')}; --list shows them`)
  const chosen = names.length === 0 ? guards : guards.filter(({name}) => names.includes(name))
  return {chosen, list: values.list, json: values.json}
}

async function judge(chosen: readonly Guard[]): Promise<Result[]> {
  const copy = new Copy(chosen)
  let cluster: Cluster | null = null
  const stop = (signal: NodeJS.Signals) => {
    void copy.remove().then(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  try {
    const given = process.env['OSTLER_TEST_POSTGRES_URL']
    cluster = given || whyAbsent('postgresql') !== null ? null : await startCluster()
    const env = cluster ? {OSTLER_TEST_POSTGRES_URL: cluster.url} : {}
    const before = await unmutated(copy, chosen, env)
    const results: Result[] = []
    for (const [at, guard] of chosen.entries()) {
      const result = await judgeOne(copy, guard, before.get(keyOf(guard)), env)
      say(`[${String(at + 1)}/${String(chosen.length)}] ${guard.name}: ${words(result)}`)
      results.push(result)
    }
    return results
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
    await copy.remove()
    await cluster?.stop()
  }
}

/** How the named tests end while every guard is in its place, each test file run once. */
async function unmutated(
  copy: Copy,
  chosen: readonly Guard[],
  env: NodeJS.ProcessEnv,
): Promise<Map<string, End>> {
  const found = new Map<string, End>()
  const files = [...new Set(chosen.map(({test}) => test))]
  for (const [at, test] of files.entries()) {
    say(`with every guard [${String(at + 1)}/${String(files.length)}] ${test}`)
    const titles = [...new Set(chosen.filter((guard) => guard.test === test).map(titleOf))]
    const {ends} = await runNamed(copy, test, titles, env)
    for (const [title, end] of ends) found.set(`${test} ${title}`, end)
    await copy.tidy()
  }
  return found
}

async function judgeOne(
  copy: Copy,
  guard: Guard,
  before: End | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Result> {
  const {name, file, test} = guard
  const title = titleOf(guard)
  const begun = performance.now()
  const result = (result: Result['result'], why: string): Result => {
    const seconds = Math.round((performance.now() - begun) / 100) / 10
    return {guard: name, file, test, title, result, why, seconds}
  }
  if (!before) return result('broken', `${test} has no test "${title}"`)
  if (before.end === 'skipped') return result('skipped', before.why)
  if (before.end === 'red')
    return result('broken', `the test is red although the guard is there: ${before.why}`)
  try {
    const {ends, isHung, words} = await copy.without(guard, () => runNamed(copy, test, [title], env))
    const end = ends.get(title)
    if (end) return result(end.end === 'red' ? 'red' : 'survived', end.why)
    return isHung
      ? result('red', 'it hung')
      : result('broken', `the mutant keeps the test from running: ${words.slice(-400)}`)
  } catch (error) {
    return result(error instanceof GuardMoved ? 'moved' : 'broken', (error as Error).message)
  } finally {
    await copy.tidy()
  }
}

const keyOf = (guard: Guard) => `${guard.test} ${titleOf(guard)}`

const words = ({result, why, seconds}: Result) =>
  `${result}, ${seconds.toFixed(1)} s${why === '' ? '' : ` (${why.replaceAll(/\s+/g, ' ').slice(0, 160)})`}`

/** Progress goes beside the results. */
function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function report(results: readonly Result[]): string {
  const table = columns([
    ['guard', 'file', 'test', 'result', 'seconds'],
    ...results.map(({guard, file, test, title, result, seconds}) => [
      guard,
      file,
      `${test.replace(/^test\//, '')}: ${title}`,
      result,
      seconds.toFixed(1),
    ]),
  ])
  const wrong = results.filter(({result}) => !['red', 'skipped'].includes(result))
  const complaints = wrong.map(({guard, result, test, title, why}) =>
    result === 'survived'
      ? `${guard} survived: without it ${test} stays green ("${title}")`
      : `${guard} ${result}: ${why}`,
  )
  const count = (wanted: Result['result']) => results.filter(({result}) => result === wanted).length
  const counts = (['red', 'survived', 'moved', 'broken', 'skipped'] as const)
    .filter((each) => count(each) > 0 || each === 'red' || each === 'survived')
    .map((each) => `${String(count(each))} ${each}`)
  return ['', table, '', ...complaints, `${String(results.length)} guards: ${counts.join(', ')}`].join('\n')
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
