// Ostler of another protocol version: a copy of this clone's program in which the version is another, and which says more than
// this one knows. It runs as a process like the real thing, which it is but for these lines.
import type {ExecutionContext} from 'ava'
import {cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {ostlerCommand} from '../../scripts/processes.ts'

interface Change {
  readonly file: string
  readonly text: string
  readonly instead: string
}

/** What a newer worker says beside what is known: fields in every message, and a message of its own. */
const talkativeWorker: readonly Change[] = [
  {file: 'worker/main.js', text: "say: 'hello',", instead: "say: 'hello', later: [1, {deep: true}],"},
  {
    file: 'worker/world/link.js',
    text: "say: 'beat',",
    instead: "say: 'beat', later: 'field',",
  },
  {
    file: 'worker/world/link.js',
    text: 'this.beat();\n        this.beatEvery',
    instead:
      "this.send({say: 'mood', mood: 'fine', attempt: '1'});\n        this.beat();\n        this.beatEvery",
  },
  {
    file: 'worker/world/spool.js',
    text: "say: 'journal', attempt: this.attempt, seq, entry,",
    instead: "say: 'journal', later: 5, attempt: this.attempt, seq, entry: {...entry, later: 'field'},",
  },
]
/** What a newer master says beside what is known. */
const talkativeMaster: readonly Change[] = [
  {
    file: 'master/http/worker-socket.js',
    text: 'this.#socket.send(encodeText(message));',
    instead:
      "this.#socket.send(encodeText({say: 'news', of: [1]})), this.#socket.send(encodeText({...message, later: {deep: 1}}));",
  },
]

/** The `ostler` command of a copy that speaks these versions of the protocol, and says more than is known. */
export function otherVersion(
  t: Pick<ExecutionContext, 'teardown'>,
  [oldest, newest]: readonly [number, number],
): string {
  const root = dirname(dirname(ostlerCommand))
  const copy = mkdtempSync(join(realpathSync(tmpdir()), 'ostler-version-'))
  t.teardown(() => rmSync(copy, {recursive: true}))
  for (const part of ['bin', 'package.json', 'dist/worker', 'dist/config', 'dist/master'])
    cpSync(join(root, part), join(copy, part), {recursive: true, dereference: true})
  symlinkSync(realpathSync(join(root, 'node_modules')), join(copy, 'node_modules'))
  const versions: readonly Change[] = [
    {
      file: 'worker/protocol/messages.js',
      text: 'protocolNewest = 1;',
      instead: `protocolNewest = ${newest};`,
    },
    {
      file: 'worker/protocol/messages.js',
      text: 'protocolOldest = 1;',
      instead: `protocolOldest = ${oldest};`,
    },
    {file: 'worker/main.js', text: 'version: ownVersion()', instead: "version: '9.0.0'"},
  ]
  for (const {file, text, instead} of [...versions, ...talkativeWorker, ...talkativeMaster]) {
    const path = join(copy, 'dist', file)
    const before = readFileSync(path, 'utf8')
    if (before.split(text).length !== 2) throw new Error(`${file} does not hold once: ${text}`)
    writeFileSync(
      path,
      before.replace(text, () => instead),
    )
  }
  return join(copy, 'bin', 'ostler.mjs')
}
