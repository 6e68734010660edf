// The workers' door over real sockets: who gets in, what closes it, and what a dead connection may not do.
import {once} from 'node:events'
import {WebSocket} from 'ws'
import {encodeBinary} from '../../../worker/protocol/frames.ts'
import {binaryFrameMax, type Hello, type MasterMessage} from '../../../worker/protocol/messages.ts'
import {eachFront, type Front} from './front.ts'

const hello: Hello = {
  say: 'hello',
  protocols: [1, 1],
  worker: 'bob',
  version: '0',
  labels: {},
  maxBuilds: 1,
  engine: null,
  now: Date.now(),
  freeBytes: null,
  attempts: [],
}

async function dial(
  front: Front,
  base: string,
  headers: Record<string, string> = {authorization: `Bearer ${front.tokens.worker}`},
) {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/worker`, {headers, perMessageDeflate: false})
  const heard: MasterMessage[] = []
  socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as MasterMessage))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close').then(([code, reason]) => [code as number, String(reason)] as const)
  await Promise.race([once(socket, 'open'), closed])
  const said = async (say: string) => {
    for (;;) {
      const found = heard.find((message) => message.say === say)
      if (found) return found
      await Promise.race([
        once(socket, 'message'),
        closed.then(() => Promise.reject(new Error(`closed before ${say}`))),
      ])
    }
  }
  return {socket, closed, said, send: (message: object) => socket.send(JSON.stringify(message))}
}

const statusOf = async (base: string, headers: Record<string, string>) => {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/worker`, {headers})
  socket.on('error', () => undefined)
  return await new Promise<number>((resolve) => {
    socket.once('unexpected-response', (_request, {statusCode}) => resolve(statusCode ?? 0))
    socket.once('open', () => resolve(101))
  })
}

eachFront('a worker with its token gets in, and its beats are answered', async (t, front) => {
  const worker = await dial(front, await front.listen())
  worker.send(hello)
  t.like(await worker.said('welcome'), {protocol: 1, master: 'test-master'})
  worker.send({say: 'beat', now: Date.now(), freeBytes: 5})
  t.truthy(await worker.said('beaten'))
  worker.send({say: 'sing', song: 'of a later version'})
  worker.send({say: 'beat', now: Date.now(), freeBytes: 5, extra: 'field'})
  t.like((await front.ask({url: '/api/v1/workers/bob'})).json(), {state: 'connected'})
  t.is(worker.socket.readyState, WebSocket.OPEN)
  worker.socket.close()
  await worker.closed
})

eachFront("no token, a wrong one, a person's or a page does not get in", async (t, front) => {
  const base = await front.listen()
  t.is(await statusOf(base, {}), 401)
  t.is(await statusOf(base, {authorization: 'Bearer ostler_w_wrong'}), 401)
  t.is(await statusOf(base, {authorization: `Bearer ${front.tokens.admin}`}), 403)
  t.is(await statusOf(base, {authorization: `Bearer ${front.tokens.worker}`, origin: base}), 403)
  t.is(
    (await fetch(`${base}/worker`, {headers: {authorization: `Bearer ${front.tokens.worker}`}})).status,
    404,
  )
  await front.store.query(`UPDATE tokens SET revoked_at = now() WHERE kind = 'worker'`)
  t.is(await statusOf(base, {authorization: `Bearer ${front.tokens.worker}`}), 401)
})

eachFront('a worker may only say its own name, and a version that both speak', async (t, front) => {
  const base = await front.listen()
  const refusals: [Partial<Hello>, string][] = [
    [{worker: 'alice'}, 'unknown-worker'],
    [{protocols: [7, 9]}, 'protocol'],
  ]
  for (const [wrong, code] of refusals) {
    const worker = await dial(front, base)
    worker.send({...hello, ...wrong})
    t.like(await worker.said('refused'), {code})
    t.is((await worker.closed)[0], 1008)
  }
})

eachFront('a malformed frame closes with 1007 and a reason, an oversized one with 1009', async (t, front) => {
  const base = await front.listen()
  const frames: [string, string | Uint8Array, number][] = [
    ['not JSON', 'nonsense', 1007],
    ['another shape', '{"say": "hello"}', 1007],
    ['a header that is longer than its frame', Buffer.from([255, 255, 255, 255, 1]), 1007],
    ['an empty binary frame', Buffer.alloc(0), 1007],
    ['a text frame that is too long', `{"x": "${'y'.repeat(5_000_000)}"}`, 1007],
    ['more than the largest frame', Buffer.alloc(binaryFrameMax + 1), 1009],
  ]
  for (const [what, frame, code] of frames)
    for (const first of [true, false]) {
      const worker = await dial(front, base)
      if (!first) {
        worker.send(hello)
        await worker.said('welcome')
      }
      worker.socket.send(frame)
      const [found, reason] = await worker.closed
      t.is(found, code, what)
      if (code === 1007) t.not(reason, '', what)
    }
  const late = await dial(front, base)
  late.send(hello)
  await late.said('welcome')
  late.socket.send(encodeBinary({say: 'journal', attempt: 'x', seq: 0}, Buffer.alloc(3)))
  t.is((await late.closed)[0], 1007)
})

eachFront(
  'a name in use is refused, but a connection that died silently does not lock its worker out',
  async (t, front) => {
    const base = await front.listen()
    const first = await dial(front, base)
    first.send(hello)
    await first.said('welcome')
    const second = await dial(front, base)
    second.send(hello)
    t.like(await second.said('refused'), {code: 'name-in-use'})
    t.is(first.socket.readyState, WebSocket.OPEN)
    // It hears nothing any more and says nothing, like a host that lost its power.
    first.socket.pause()
    const third = await dial(front, base)
    third.send(hello)
    t.truthy(await third.said('welcome'))
    t.like((await front.ask({url: '/api/v1/workers/bob'})).json(), {state: 'connected'})
    first.socket.terminate()
  },
)

eachFront('a master that stops tells its workers to dial again', async (t, front) => {
  const worker = await dial(front, await front.listen())
  worker.send(hello)
  await worker.said('welcome')
  await front.app.close()
  t.is((await worker.closed)[0], 1001)
})
