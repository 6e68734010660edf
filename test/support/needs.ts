// The guard of tests that need a part of the world a machine may lack: `needs('docker')('title', ...)` is an
// ordinary test where the part is, a skipped one with its reason recorded where it is not, and a failing one where
// `OSTLER_TEST_REQUIRE` (`all`, or a list) says that the part must be there.
import {appendFileSync} from 'node:fs'
import test, {type Implementation} from 'ava'
import {type EnginePart, type Part, whyAbsent, whyNoEngine} from './parts.ts'

/** The part of ava's `test` that a guarded test may use. */
export interface GuardedTest {
  <Args extends unknown[]>(title: string, implementation: Implementation<Args>, ...args: Args): void
  serial: <Args extends unknown[]>(title: string, implementation: Implementation<Args>, ...args: Args) => void
}

// Asked once, before any test is declared: ava wants the declarations at once.
const engine: Readonly<Record<EnginePart, string | null>> = {
  docker: await whyNoEngine('docker'),
  images: await whyNoEngine('images'),
  machine: await whyNoEngine('machine'),
  podman: await whyNoEngine('podman'),
  'docker-group': await whyNoEngine('docker-group'),
  'podman-group': await whyNoEngine('podman-group'),
}

/** `test`, when all these parts are here. */
export function needs(...parts: readonly Part[]): GuardedTest {
  const absent = parts.map((part) => ({part, why: whyNot(part)})).filter(({why}) => why !== null)
  if (absent.length === 0) return guarded(test, test.serial)
  const why = absent.map((each) => each.why).join(', ')
  if (absent.some(({part}) => isRequired(part))) return guarded(refusing(why), refusing(why))
  recordSkip(why)
  return guarded(test.skip, test.serial.skip)
}

/** Why this part is not here, or null: for a test that widens itself when it is. */
export function whyNot(part: Part): string | null {
  return isOfEngine(part) ? engine[part] : whyAbsent(part)
}

const isOfEngine = (part: Part): part is EnginePart => part in engine

type Declare = (...all: never[]) => void

function guarded(declare: Declare, serially: Declare): GuardedTest {
  const plain = (...all: readonly unknown[]) => {
    declare(...(all as never[]))
  }
  const serial = (...all: readonly unknown[]) => {
    serially(...(all as never[]))
  }
  return Object.assign(plain, {serial})
}

function refusing(why: string) {
  return (title: string) => {
    test(title, (t) => {
      t.fail(`must not be skipped here (OSTLER_TEST_REQUIRE), yet ${why}`)
    })
  }
}

function isRequired(part: Part): boolean {
  const required = (process.env['OSTLER_TEST_REQUIRE'] ?? '').split(',')
  return required.includes('all') || required.includes(part)
}

/** One JSON line for scripts/test.mjs, which tells people in one line what was skipped and why. */
function recordSkip(why: string): void {
  const file = process.env['OSTLER_TEST_SKIPS']
  if (file) appendFileSync(file, `${JSON.stringify({why, file: test.meta.file})}\n`)
}
