// Runs named tests of one file in the copy, and hears from ava's TAP how each ended.
import {spawn} from 'node:child_process'
import {existsSync, readFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import type {Copy} from './copy.ts'

/** How a test ended; `why` is its first complaint, or why it was skipped. */
export interface End {
  readonly end: 'green' | 'red' | 'skipped'
  readonly why: string
}

/** A mutant may wait for ever. */
const hungMs = 60_000
/** What comes after the last test, such as its file's teardown, may take so long. */
const tidyMs = 3_000

/** Runs these tests; one that did not run is not in the answer, and `words` then says what ava had to say. */
export async function runNamed(
  copy: Copy,
  test: string,
  titles: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ends: Map<string, End>; isHung: boolean; words: string}> {
  const skips = join(copy.folder, 'skips')
  rmSync(skips, {force: true})
  const ava = spawn(
    process.execPath,
    [
      'node_modules/ava/entrypoints/cli.mjs',
      '--tap',
      `dist/${test.replace(/\.ts$/, '.js')}`,
      ...titles.map((title) => `--match=${title}`),
    ],
    {
      cwd: copy.folder,
      env: {...process.env, ...env, TMPDIR: copy.temporary, OSTLER_TEST_SKIPS: skips},
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group: what hangs must end with it.
      detached: true,
    },
  )
  let isHung = false
  const timer = setTimeout(() => {
    isHung = true
    endGroup(ava.pid)
  }, hungMs)
  const closed = new Promise((resolve) => ava.on('close', resolve))
  const said: string[] = []
  ava.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
  let impatience: NodeJS.Timeout | null = null
  const ears = new Ears(() => whySkipped(skips))
  for await (const line of createInterface({input: ava.stdout})) {
    timer.refresh()
    said.push(line)
    ears.hear(line)
    // A test that failed in the middle may have left servers open, for which ava would wait.
    if (titles.every((title) => ears.ends.has(title)))
      impatience ??= setTimeout(() => endGroup(ava.pid), tidyMs)
  }
  await closed
  clearTimeout(timer)
  if (impatience) clearTimeout(impatience)
  endGroup(ava.pid)
  return {ends: ears.ends, isHung, words: said.join('\n')}
}

class Ears {
  readonly ends = new Map<string, End>()
  private readonly whySkipped: () => string
  /** The test that failed last, while its complaint is heard. */
  private failing: string | null = null
  private complaint: string[] = []

  constructor(whySkipped: () => string) {
    this.whySkipped = whySkipped
  }

  hear(line: string): void {
    const [, verdict, title = '', isSkipped] = /^(not ok|ok) \d+ - (.*?)( # SKIP.*)?$/.exec(line) ?? []
    if (verdict) {
      this.failing = verdict === 'ok' ? null : title
      this.complaint = []
      if (isSkipped) this.ends.set(title, {end: 'skipped', why: this.whySkipped()})
      else this.ends.set(title, {end: verdict === 'ok' ? 'green' : 'red', why: ''})
    } else if (this.failing !== null) {
      if (line !== '  ...') this.complaint.push(line)
      else this.ends.set(this.failing, {end: 'red', why: complaintOf(this.complaint)})
    }
  }
}

/** What a failing test says of itself: its assertion, its message and the values, from ava's YAML. */
function complaintOf(lines: readonly string[]): string {
  const fields = new Map<string, string>()
  let key = ''
  for (const line of lines) {
    const [, next, text = ''] = /^ {4}(\w+): ?(.*)$/.exec(line) ?? []
    if (next) key = next
    fields.set(key, `${fields.get(key) ?? ''} ${next ? text : line.trim()}`)
  }
  return ['assertion', 'message', 'details']
    .map((name) => (fields.get(name) ?? '').trim())
    .filter((text) => text !== '' && text !== "''")
    .join(' ')
}

function whySkipped(file: string): string {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  const whys = lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as {why: string}).why)
  return [...new Set(whys)].join('; ') || 'marked so in the tests'
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // Nothing is left of it.
  }
}
