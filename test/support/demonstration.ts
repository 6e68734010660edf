// The demo as a person runs it, `node scripts/demo.mjs`, in a process group of its own, with what it printed and a
// look at what it left behind.
import {type ChildProcess, spawn} from 'node:child_process'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {askEngine, engineSocket} from './parts.ts'
import {leftovers} from '../../scripts/leftovers.ts'
import {until} from '../../scripts/processes.ts'
import {repository} from './sources.ts'

export class Demonstration {
  readonly child: ChildProcess
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>
  private text = ''

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [join(repository, 'scripts', 'demo.mjs'), ...args], {
      // Colours would stand between the words that tests look for; a CI's environment asks for them.
      env: {...process.env, NO_COLOR: '1', ...env},
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.text += text))
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        resolve(code ?? signal ?? 'nothing')
      })
    })
  }

  /** All that it printed until now. */
  get said(): string {
    return this.text
  }

  /** Waits until it printed this; answers the match. */
  async says(pattern: RegExp, withinMs = 170_000): Promise<RegExpExecArray> {
    let over = false
    void this.ended.then(() => (over = true))
    return until(
      `the demo says ${String(pattern)}`,
      () => {
        const match = pattern.exec(this.text)
        if (!match && over) throw new Error(`the demo ended without saying ${String(pattern)}:\n${this.text}`)
        return Promise.resolve(match)
      },
      {withinMs},
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it said:\n${this.text}`)
    })
  }

  /** The folder in which it works. */
  get folder(): string {
    const named = /works in (\S+),/.exec(this.text)?.[1]
    if (named === undefined) throw new Error(`the demo named no folder:\n${this.text}`)
    return named
  }

  /** As Ctrl+C in a terminal does: to every process of its group, where any is left. */
  interrupt(signal: NodeJS.Signals = 'SIGINT'): void {
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** What is still there of it, in words: its folder, processes, containers and its image in the engine of this socket. */
  async leftBehind(socket = engineSocket()): Promise<string[]> {
    const {folder} = this
    const image = `ostler-demo-${String(this.child.pid)}`
    return [
      ...(existsSync(folder) ? [folder] : []),
      ...(await leftovers(folder, socket === null ? [] : [socket])).map(
        ({kind, id, text}) => `${kind} ${id} ${text}`,
      ),
      ...((await askEngine(`/images/${image}:latest/json`, socket)) === null ? [] : [`image ${image}`]),
    ]
  }
}
