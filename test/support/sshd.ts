// A real sshd on loopback, with a key of its own, that lets in only the test's keys and does only git for them.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {freePort} from '../../scripts/processes.ts'
import {sshdProgram} from './parts.ts'
import type {Owner} from './system.ts'

export class Sshd {
  readonly folder: string
  readonly port: number
  private child: ChildProcess | null = null

  private constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
  }

  static async start(t: Pick<Owner, 'teardown'>): Promise<Sshd> {
    const sshd = new Sshd(mkdtempSync(join(tmpdir(), 'ostler-sshd-')), await freePort())
    t.teardown(async () => {
      await sshd.stop()
      rmSync(sshd.folder, {recursive: true, force: true})
    })
    sshd.newHostKey()
    sshd.furnish()
    await sshd.open()
    return sshd
  }

  /** The URL of a repository on this machine. */
  url(path: string): string {
    return `ssh://${userInfo().username}@127.0.0.1:${this.port}${path}`
  }

  /** What belongs into `knownHosts`. */
  get knownHosts(): string {
    const [kind = '', key = ''] = readFileSync(join(this.folder, 'host.pub'), 'utf8').split(' ')
    return `[127.0.0.1]:${this.port} ${kind} ${key}`
  }

  /** Who ran what, a line each: `reader git-upload-pack ...`. */
  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  /** A new key; the private half as a secret would hold it. One that the server knows may read, or also push. */
  key(name: string, may: 'read' | 'push' | 'nothing'): string {
    const file = join(this.folder, name)
    generate(file)
    const mine = readFileSync(`${file}.pub`, 'utf8')
    if (may !== 'nothing')
      appendFileSync(
        join(this.folder, 'authorized_keys'),
        `restrict,command="${join(this.folder, 'gate')} ${name} ${may}" ${mine}`,
      )
    const key = readFileSync(file, 'utf8')
    rmSync(file)
    return key
  }

  /** From the next start on it has another key. */
  newHostKey(): void {
    for (const end of ['', '.pub']) rmSync(join(this.folder, `host${end}`), {force: true})
    generate(join(this.folder, 'host'))
  }

  async open(): Promise<void> {
    const child = spawn(sshdProgram() ?? 'sshd', ['-D', '-e', '-f', join(this.folder, 'config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.child = child
    let said = ''
    child.stderr.on('data', (data: Buffer) => (said += data.toString()))
    for (let tries = 0; tries < 200; tries++) {
      if (child.exitCode !== null) break
      if (await answers(this.port)) return
      await sleep(50)
    }
    throw new Error(`sshd does not start: ${said}`)
  }

  async stop(): Promise<void> {
    const {child} = this
    this.child = null
    if (!child || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill()
    await ended
  }

  private furnish(): void {
    const {folder, port} = this
    for (const file of ['log', 'authorized_keys']) writeFileSync(join(folder, file), '', {mode: 0o600})
    // What may only read is told so in words, as forges do.
    const gate = `#!/bin/sh
echo "$1 $SSH_ORIGINAL_COMMAND" >>'${folder}/log'
case "$2 $SSH_ORIGINAL_COMMAND" in
  'push git-'*|'read git-upload-pack '*) exec git-shell -c "$SSH_ORIGINAL_COMMAND" ;;
esac
echo 'ERROR: this key may only read' >&2
exit 1
`
    writeFileSync(join(folder, 'gate'), gate, {mode: 0o755})
    const config = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/authorized_keys`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'LogLevel ERROR',
    ]
    writeFileSync(join(folder, 'config'), `${config.join('\n')}\n`)
    // As root it wants a place without anything in it to leave its rights in.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', {recursive: true, mode: 0o755})
  }
}

const generate = (file: string) =>
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file])

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('data', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
