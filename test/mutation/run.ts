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
const hungSeconds = 60
const hungMs = 180_000

/** Runs these tests; one that did not run is not in the answer, and `words` then says what ava had to say. */
export async function runNamed(
  copy: Copy,
  test: string,
  titles: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ends: Map<string, End>; words: string}> {
  const skips = join(copy.folder, 'skips')
  rmSync(skips, {force: true})
  const ava = spawn(
    process.execPath,
    [
      'node_modules/ava/entrypoints/cli.mjs',
      '--tap',
      `--timeout=${String(hungSeconds)}s`,
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
  const timer = setTimeout(() => endGroup(ava.pid), hungMs)
  const closed = new Promise((resolve) => ava.on('close', resolve))
  const said: string[] = []
  ava.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
  const ears = new Ears(() => whySkipped(skips))
  for await (const line of createInterface({input: ava.stdout})) {
    said.push(line)
    ears.hear(line)
  }
  await closed
  clearTimeout(timer)
  endGroup(ava.pid)
  return {ends: ears.ends, words: said.join('\n')}
}

class Ears {
  readonly ends = new Map<string, End>()
  private readonly whySkipped: () => string
  private failing: string | null = null

  constructor(whySkipped: () => string) {
    this.whySkipped = whySkipped
  }

  hear(line: string): void {
    const [, verdict, title = '', isSkipped] = /^(not ok|ok) \d+ - (.*?)( # SKIP.*)?$/.exec(line) ?? []
    if (verdict) {
      this.failing = verdict === 'ok' ? null : title
      if (isSkipped) this.ends.set(title, {end: 'skipped', why: this.whySkipped()})
      else this.ends.set(title, {end: verdict === 'ok' ? 'green' : 'red', why: ''})
      return
    }
    const [, key, text = ''] = /^ +(message|assertion): (.+)$/.exec(line) ?? []
    if (!key || this.failing === null) return
    const known = this.ends.get(this.failing)
    if (known && (known.why === '' || key === 'message'))
      this.ends.set(this.failing, {...known, why: text.replace(/^['"]|['"]$/g, '')})
  }
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
