// Logs as they must be, wherever they lie: every byte as it was printed, seen at once, and memory that does not grow with
// them.
import {createHash} from 'node:crypto'
import {request} from 'node:http'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {gunzipSync} from 'node:zlib'
import test from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {residentMiB} from './marked.ts'
import {sharedSystem} from './system.ts'
import {builder, sh, written} from './written.ts'
import {delaysOf, stamps} from './following.ts'

const every = Buffer.concat([
  Buffer.from(Array.from({length: 256}, (_, n) => n)),
  Buffer.from('\r\n\ud83d\ude00 \u001b[31mred\u001b[0m\r'),
  Buffer.from(Array.from({length: 70_000}, (_, n) => (n * n * 31 + (n >> 3)) % 256)),
])
const hugeBytes = 200_000_000

/** Declares the tests, on one system that all use; `env` tells its master where logs lie. */
export function logsAsTheyMustBe(env?: NodeJS.ProcessEnv): void {
  const system = sharedSystem({
    ...(env && {env}),
    config: (folder) => {
      writeFileSync(join(folder, 'every'), every)
      return written([
        builder('every', [sh('s', `cat ${folder}/every`)]),
        builder('huge', [sh('s', `head -c ${hugeBytes} /dev/zero | tr '\\0' x`)]),
        builder('stamps', [sh('s', stamps)]),
      ])
    },
    workers: ['w1'],
  })

  /** The log's id of a builder's newest build, once it is there. */
  const logOf = (name: string) =>
    system().until('the log is there', async () => {
      const {items} = await system().api.get<Page<Build>>(`/builds?builder=${name}&limit=1`)
      const [build] = items
      return build ? ((await system().steps(build.id))[0]?.logs[0]?.id ?? null) : null
    })

  /** The bytes as they come over the wire. */
  const raw = (log: string, headers: Record<string, string>) =>
    new Promise<{headers: NodeJS.Dict<string | string[]>; body: Buffer}>((resolve, reject) => {
      const asked = request(
        `${system().master.url}/api/v1/logs/${log}/raw`,
        {headers: {...headers, authorization: `Bearer ${tokenOf()}`}},
        (answer) => {
          const pieces: Buffer[] = []
          answer.on('data', (piece: Buffer) => pieces.push(piece))
          answer.on('end', () => resolve({headers: answer.headers, body: Buffer.concat(pieces)}))
        },
      )
      asked.on('error', reject)
      asked.end()
    })
  const tokenOf = () => (system().api as unknown as {token: string}).token

  test.serial(
    'every byte value arrives as it was printed, and the stored gzip is one whole member',
    async (t) => {
      await system().builds(await system().force('force', {builder: 'every'}))
      const log = await logOf('every')
      const plain = await raw(log, {})
      t.is(plain.headers['content-encoding'], undefined)
      t.true(plain.body.equals(every))
      const zipped = await raw(log, {'accept-encoding': 'gzip'})
      t.is(zipped.headers['content-encoding'], 'gzip')
      t.true(gunzipSync(zipped.body).equals(every))
    },
  )

  test.serial('what is printed is seen at once by who follows the log', async (t) => {
    const buildset = await system().force('force', {builder: 'stamps'})
    const log = await logOf('stamps')
    const answer = await system().api.fetch(`/logs/${log}/follow`)
    const sorted = await delaysOf(answer)
    await system().completed(buildset)
    t.log(`seen after ${sorted.join(', ')} ms`)
    // 200 ms is the promise on a quiet machine; tests share theirs.
    t.true((sorted[3] ?? Infinity) < 1000, `${sorted.join(', ')} ms`)
  })

  test.serial('200 MB without a line feed are stored whole in little memory', async (t) => {
    t.timeout(240_000)
    const pids = {master: system().master.process.pid, worker: system().worker('w1').pid}
    const most = {master: 0, worker: 0}
    const before = residentMiB(pids.master)
    const timer = setInterval(() => {
      for (const who of ['master', 'worker'] as const) most[who] = Math.max(most[who], residentMiB(pids[who]))
    }, 100)
    const begun = Date.now()
    const [build] = await system().builds(await system().force('force', {builder: 'huge'}), 200_000)
    const seconds = (Date.now() - begun) / 1000
    const stored = most.master
    const log = await logOf('huge')
    const answer = await system().api.fetch(`/logs/${log}/raw`, {headers: {'accept-encoding': 'identity'}})
    const hash = createHash('sha256')
    let bytes = 0
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(piece)
      bytes += piece.length
    }
    const window = await system().api.bytes(`/logs/${log}/raw?from=0&lines=1`)
    await system().api.text(`/logs/${log}/raw?search=needle`)
    clearInterval(timer)
    t.is(build?.result, 'success')
    t.is(bytes, hugeBytes)
    t.is(hash.digest('hex'), createHash('sha256').update(Buffer.alloc(hugeBytes, 'x')).digest('hex'))
    t.true(window.length <= 4 * 1024 * 1024)
    t.log(
      `${seconds} s; master ${before} MiB before, ${stored} while it was stored, ${most.master} when it was read, worker ${most.worker} MiB at most`,
    )
    t.true(most.master < 400, `${most.master} MiB`)
    t.true(most.worker < 400, `${most.worker} MiB`)
  })
}
