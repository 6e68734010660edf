// The one program of both charms, started by `dispatch` for every event and action with the charm's name. Exit code 1 has Juju
// try the hook again.
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Monitoring} from './core/monitoring.ts'
import {ownHands} from './world/hands.ts'
import {runHook} from './world/run.ts'

const [role = ''] = process.argv.slice(2)
const folder = process.env['JUJU_CHARM_DIR'] ?? '.'
const packed = (name: string): string => readFileSync(join(folder, name), 'utf8')

try {
  if (role !== 'master' && role !== 'worker') throw new Error(`hook.mjs master|worker, not "${role}"`)
  runHook(role, {
    environment: process.env,
    hands: ownHands(process.env['OSTLER_CHARM_ROOT']),
    version: packed('version').trim(),
    monitoring: JSON.parse(packed('monitoring.json')) as Monitoring,
  })
} catch (error) {
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
  process.exitCode = 1
}
