// systemd's units as the charm uses them. What a unit was started with is kept beside, so that a hook that died between
// writing a file and restarting is made good by the next one.
import {createHash} from 'node:crypto'
import {worksBy} from '../core/layout.ts'
import type {UnitState} from '../core/scene.ts'
import type {Hands} from './hands.ts'

interface Stamp {
  readonly restart: string
  readonly reload: string
}

/** How a unit stands; undefined when the machine has none of this name. */
export function unitState(hands: Hands, unit: string): UnitState | undefined {
  const {out} = hands.run([
    'systemctl',
    'show',
    unit,
    '--property=LoadState,UnitFileState,ActiveState,StatusText',
  ])
  const shown = Object.fromEntries(
    out.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  if (shown['LoadState'] !== 'loaded') return undefined
  return {
    isEnabled: shown['UnitFileState'] === 'enabled',
    state: shown['ActiveState'] ?? 'inactive',
    words: shown['StatusText'] ?? '',
    needs: needsOf(hands, unit),
  }
}

/** Carries out an order on a unit and notes by what it works now. Throws with systemd's words. */
export function orderUnit(hands: Hands, order: 'start' | 'restart' | 'reload' | 'stop', unit: string): void {
  const now = stampOf(hands, unit)
  const argv = {
    start: ['systemctl', 'enable', '--now', unit],
    restart: ['systemctl', 'restart', unit],
    reload: ['systemctl', 'reload', unit],
    stop: ['systemctl', 'disable', '--now', unit],
  }[order]
  // One that failed too often is not tried again before it is forgiven.
  if (order === 'start' || order === 'restart') hands.run(['systemctl', 'reset-failed', unit])
  const {code, err} = hands.run(argv)
  // What does not start is told by the unit's state, in its own words.
  if (code !== 0 && order === 'stop') throw new Error(`${argv.join(' ')}: ${err.trim()}`)
  if (now !== null && order !== 'stop') hands.write(stampFile(unit), `${JSON.stringify(now)}\n`, 0o600)
}

function needsOf(hands: Hands, unit: string): UnitState['needs'] {
  const now = stampOf(hands, unit)
  if (now === null) return 'nothing'
  const then = JSON.parse(hands.read(stampFile(unit)) ?? '{}') as Partial<Stamp>
  if (then.restart !== now.restart) return 'restart'
  return then.reload === now.reload ? 'nothing' : 'reload'
}

const stampFile = (unit: string): string => `/var/lib/ostler-charm/${unit}.json`

function stampOf(hands: Hands, unit: string): Stamp | null {
  const files = worksBy[unit]
  if (files === undefined) return null
  return {restart: digest(hands, files.restart), reload: digest(hands, files.reload)}
}

function digest(hands: Hands, files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\0${hands.read(file) ?? ''}\0`)
  return hash.digest('hex')
}
