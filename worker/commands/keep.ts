// The command that keeps files of the workspace on the master: found by globs, named by their content, sent unless the master
// has them already. A master that is away is waited for; a cancelled step stops waiting.
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {request as httpRequest} from 'node:http'
import {request as httpsRequest} from 'node:https'
import {pipeline} from 'node:stream/promises'
import {fill} from '../core/templates.ts'
import type {Keep} from '../protocol/plan.ts'
import type {Outcome} from '../protocol/results.ts'
import {matching, type Found} from './files.ts'
import type {readIdentity} from '../world/identity.ts'
import {below, stepOf, type Task} from './task.ts'

export interface Store {
  /** The address of the master of the moment, without a final slash. */
  readonly master: () => string
  readonly token: string
  /** What a TLS connection is made with. */
  readonly identity?: () => ReturnType<typeof readIdentity>
}

const retryMs = [500, 1000, 2000, 5000, 10_000, 30_000]
const idleMs = 60_000

/** Keeps the files; every one is on the master, and in the journal, when it succeeds. */
export async function keepCommand(
  command: Keep,
  task: Task,
  store: Store,
  abort: AbortSignal,
): Promise<Outcome> {
  const name = fill(command.artifact, task.fill)
  const globs = command.files.map((glob) => fill(glob, task.fill))
  const root = below(task.ground.workspaceHere, fill(command.workdir, task.fill))
  const {found, unreadable} = await matching(root, globs).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {found: [], unreadable: []}
    throw error
  })
  for (const {path, reason} of unreadable) await task.log.say(`${path}: ${reason}`)
  if (unreadable.length > 0) return {outcome: 'exited', code: 1}
  if (found.length === 0) {
    await task.log.say(`no file matches ${globs.join(' ')}`)
    return {outcome: 'exited', code: command.optional ? 0 : 1}
  }
  const step = stepOf(task.id)
  for (const file of found) {
    if (task.attempt.kept.has(`${step} ${file.path}`)) continue
    const sha256 = await hash(file.file, abort)
    const refusal = await send(file, sha256, task, store, abort)
    if (refusal !== null) {
      await task.log.say(`${file.path}: ${refusal}`)
      return {outcome: 'exited', code: 1}
    }
    task.attempt.record({
      entry: 'artifactKept',
      at: Date.now(),
      step,
      name,
      path: file.path,
      bytes: file.bytes,
      sha256,
    })
    await task.log.say(`kept ${file.path} (${file.bytes} bytes, sha256 ${sha256.slice(0, 12)})`)
  }
  return {outcome: 'exited', code: 0}
}

async function hash(file: string, signal: AbortSignal): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(file), sum, {signal})
  return sum.digest('hex')
}

/** Null when the master has the bytes; else why it does not want them. Tries again while the master is away. */
async function send(
  found: Found,
  sha256: string,
  task: Task,
  store: Store,
  abort: AbortSignal,
): Promise<string | null> {
  for (let tries = 0; ; tries++) {
    const answer = await put(found, sha256, task.attempt.fence, store, abort).catch(
      (error: unknown) => error as Error,
    )
    abort.throwIfAborted()
    if (!(answer instanceof Error)) {
      if (answer.status === 200 || answer.status === 201) return null
      const isFinal =
        answer.status >= 400 && answer.status < 500 && ![401, 408, 425, 429].includes(answer.status)
      if (isFinal) return `the master refused it (${answer.status}): ${answer.text}`
    }
    if (tries === 0)
      await task.log.say(
        `${found.path}: not taken yet (${answer instanceof Error ? answer.message : answer.status}), trying again`,
      )
    const waitMs = retryMs[Math.min(tries, retryMs.length - 1)] ?? 30_000
    await sleep(waitMs * (0.5 + Math.random()), undefined, {signal: abort})
  }
}

async function put(
  {file, bytes}: Found,
  sha256: string,
  fence: string,
  {master, token, identity}: Store,
  signal: AbortSignal,
): Promise<{status: number; text: string}> {
  const url = new URL(`${master()}/worker/artifacts/${sha256}`)
  const headers = {
    Authorization: `Bearer ${token}`,
    'Ostler-Attempt': fence,
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(bytes),
  }
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: 'PUT',
    headers,
    signal,
    ...identity?.(),
  })
  request.setTimeout(idleMs, () => request.destroy(new Error('the master does not answer')))
  const answered = new Promise<{status: number; text: string}>((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (text = (text + piece).slice(0, 500)))
      response.on('end', () => resolve({status: response.statusCode ?? 0, text}))
      response.on('error', reject)
    })
  })
  // An answer may come before the last byte was sent (200: had it already): then the rest is not sent.
  const sent = pipeline(createReadStream(file, {end: Math.max(bytes - 1, 0)}), request)
  const answer = await Promise.race([answered, sent.then(() => answered)])
  sent.catch(() => undefined)
  request.destroy()
  return answer
}
