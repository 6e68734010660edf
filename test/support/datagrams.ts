// A Unix datagram socket that a test listens on, as systemd and its journal do: Node has none, so Perl reads it.
import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'

const program = `
use strict; use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die; print "\\n";
while (defined recv($s, my $d, 1 << 18, 0)) { print unpack('H*', $d), "\\n" }
`

export class Datagrams {
  readonly path: string
  /** Everything that came, in order. */
  readonly heard: Buffer[] = []

  private constructor(path: string) {
    this.path = path
  }

  /** Listens until the test ends. */
  static async listen(t: Pick<ExecutionContext, 'teardown'>): Promise<Datagrams> {
    const folder = mkdtempSync(join(tmpdir(), 'ostler-datagrams-'))
    const socket = new Datagrams(join(folder, 'socket'))
    const child = spawn('perl', ['-e', program, socket.path], {stdio: ['ignore', 'pipe', 'inherit']})
    const ended = new Promise((resolve) => child.on('exit', resolve))
    t.teardown(async () => {
      child.kill('SIGKILL')
      await ended
      rmSync(folder, {recursive: true})
    })
    const lines = createInterface({input: child.stdout})
    await new Promise((resolve) => lines.once('line', resolve))
    lines.on('line', (line) => socket.heard.push(Buffer.from(line, 'hex')))
    return socket
  }

  /** The same as text. */
  get texts(): readonly string[] {
    return this.heard.map(String)
  }

  /** Waits for a text that fits. */
  async until(fits: RegExp, withinMs = 20_000): Promise<string> {
    for (const deadline = Date.now() + withinMs; ; await sleep(20)) {
      const found = this.texts.find((text) => fits.test(text))
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error(`nothing fits ${String(fits)}:\n${this.texts.join('\n')}`)
    }
  }
}
