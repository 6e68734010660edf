// The state directory: its random name, the supervisor's script, and the guard that one worker at a time uses it.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import {fileTrouble, refuseForeign} from '../systemd/file-trouble.ts'
import {supervise} from './supervise.sh.ts'

export interface State {
  /** Marks what belongs to this directory, among the host's processes and the engine's containers. */
  readonly id: string
  readonly script: string
  readonly close: () => void
}

/** Opens the directory, made if need be; tells what is wrong when it cannot be used. */
export function openState(stateDir: string): State | {readonly problem: string} {
  try {
    mkdirSync(stateDir, {recursive: true, mode: 0o700})
    refuseForeign(stateDir)
    const lock = join(stateDir, 'lock')
    const holder = takeLock(lock)
    if (holder !== null) return {problem: `${stateDir} is used by the worker with process number ${holder}`}
    const idFile = join(stateDir, 'id')
    if (!existsSync(idFile)) writeWhole(idFile, randomBytes(8).toString('hex'), 0o600)
    const script = join(stateDir, 'supervise')
    writeWhole(script, supervise, 0o755)
    return {id: readFileSync(idFile, 'utf8').trim(), script, close: () => rmSync(lock, {force: true})}
  } catch (error) {
    return {problem: fileTrouble(error, stateDir) ?? (error as Error).message}
  }
}

/** Null when the lock is ours now, else the number of the process that holds it. */
function takeLock(lock: string): number | null {
  for (;;) {
    try {
      const file = openSync(lock, 'wx', 0o600)
      writeSync(file, `${process.pid} ${startOf(process.pid)}`)
      closeSync(file)
      return null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const [pid = '', start] = readFileSync(lock, 'utf8').split(' ')
      if (pid !== '' && startOf(Number(pid)) === start) return Number(pid)
      rmSync(lock, {force: true})
    }
  }
}

/** When a process was started, which with its number names it for good; empty when it is not there. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function writeWhole(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, {mode})
  chmodSync(`${path}.new`, mode)
  renameSync(`${path}.new`, path)
}
