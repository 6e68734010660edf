// Test cases counted from JUnit reports.
import {XMLParser} from 'fast-xml-parser'
import {stepOf, type Task} from './task.ts'
import {matching} from './files.ts'
import {readFileSync} from 'node:fs'

const reportBytesMax = 32 * 1024 * 1024
const failuresMax = 100
const textMax = 2000

interface Count {
  passed: number
  failed: number
  skipped: number
  readonly failures: {name: string; text: string}[]
}

/** Reads the reports that the globs name and records what they say; one that cannot be read is told in the log. */
export async function countTests(globs: readonly string[], task: Task): Promise<void> {
  const count: Count = {passed: 0, failed: 0, skipped: 0, failures: []}
  const {found, unreadable} = await matching(task.ground.workspaceHere, globs)
  for (const {path, reason} of unreadable) await task.log.say(`${path}: ${reason}`)
  for (const {path, file, bytes} of found) {
    if (bytes > reportBytesMax) {
      await task.log.say(`${path}: a report of ${bytes} bytes is not read`)
      continue
    }
    try {
      tally(readFileSync(file, 'utf8'), count)
    } catch (error) {
      await task.log.say(`${path}: not a JUnit report: ${(error as Error).message}`)
    }
  }
  if (found.length === 0) await task.log.say(`no report matches ${globs.join(' ')}`)
  const masked = count.failures
    .slice(0, failuresMax)
    .map(({name, text}) => ({name: mask(task, name), text: mask(task, text)}))
  const {passed, failed, skipped} = count
  if (passed + failed + skipped > 0)
    task.attempt.record({
      entry: 'testsCounted',
      at: Date.now(),
      step: stepOf(task.id),
      passed,
      failed,
      skipped,
      failures: masked,
    })
}

const mask = (task: Task, text: string): string =>
  Buffer.from(task.attempt.mask(Buffer.from(text), true).bytes).toString()

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  parseTagValue: false,
  processEntities: true,
})

type Node = Record<string, unknown>

/** Adds the cases of one report. Throws for what is no XML or has no test suite. */
export function tally(xml: string, count: Count): void {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the parser's own check suffices; no second package for it
  const root = parser.parse(xml, true) as Node
  if (!('testsuites' in root) && !('testsuite' in root)) throw new Error('it has no test suite')
  for (const suite of [...nodes(root['testsuites']), ...nodes(root['testsuite'])]) walk(suite, count)
}

function walk(suite: Node, count: Count): void {
  for (const inner of nodes(suite['testsuite'])) walk(inner, count)
  for (const test of nodes(suite['testcase'])) {
    const [bad] = ['failure', 'error'].flatMap((kind) => (kind in test ? [list(test[kind])[0]] : []))
    if (bad !== undefined) {
      count.failed++
      if (count.failures.length < failuresMax) count.failures.push({name: nameOf(test), text: textOf(bad)})
    } else if ('skipped' in test) count.skipped++
    else count.passed++
  }
}

function nameOf(test: Node): string {
  return [test['@classname'], test['@name']]
    .filter((part) => typeof part === 'string' && part !== '')
    .join('.')
    .slice(0, 500)
}

function textOf(bad: unknown): string {
  if (typeof bad === 'string') return bad.slice(0, textMax)
  const {'@message': message = '', '#text': text = ''} = (bad ?? {}) as Record<string, unknown>
  return [message, text]
    .map(String)
    .filter((part) => part !== '')
    .join('\n')
    .slice(0, textMax)
}

const list = (value: unknown): unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value]
const nodes = (value: unknown): Node[] =>
  list(value).filter((node): node is Node => typeof node === 'object' && node !== null)
