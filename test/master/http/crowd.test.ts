// Connections that come all at once, over real sockets.
import test from 'ava'
import {createServer, get} from 'node:http'
import {connect, type AddressInfo, type Socket} from 'node:net'
import {once} from 'node:events'
import {queueCrowds} from '../../../master/http/crowd.ts'

async function served() {
  let turns = 0
  let isCounting = true
  const count = () => {
    turns++
    if (isCounting) setImmediate(count)
  }
  setImmediate(count)
  const letIn: number[] = []
  const server = createServer((request, response) => response.end(request.url))
  server.on('connection', () => letIn.push(turns))
  queueCrowds(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  const end = () => {
    isCounting = false
    server.closeAllConnections()
    server.close()
  }
  return {port, letIn, end}
}

test('of a crowd everybody is answered, and no turn of the event loop lets in more than a few', async (t) => {
  const {port, letIn, end} = await served()
  t.teardown(end)
  const ask = (n: number) =>
    new Promise<string>((resolve, reject) => {
      get({port, host: '127.0.0.1', path: `/${n}`, agent: false}, (response) => {
        let text = ''
        response.on('data', (piece: Buffer) => (text += piece.toString())).on('end', () => resolve(text))
      }).on('error', reject)
    })
  const answers = await Promise.all(Array.from({length: 300}, (_, n) => ask(n)))
  t.deepEqual(
    answers,
    Array.from({length: 300}, (_, n) => `/${n}`),
  )
  t.is(letIn.length, 300)
  const perTurn = new Map<number, number>()
  for (const turn of letIn) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1)
  t.true(Math.max(...perTurn.values()) <= 17, `at most ${Math.max(...perTurn.values())}`)
})

test('who hangs up while waiting disturbs nobody', async (t) => {
  const {port, end} = await served()
  t.teardown(end)
  const sockets: Socket[] = Array.from({length: 200}, () => connect(port, '127.0.0.1'))
  for (const socket of sockets) {
    socket.on('error', () => undefined)
    socket.once('connect', () => socket.resetAndDestroy())
  }
  await Promise.all(sockets.map((socket) => once(socket, 'close')))
  const [response] = (await once(get({port, host: '127.0.0.1', path: '/still'}), 'response')) as [
    NodeJS.ReadableStream,
  ]
  let text = ''
  for await (const piece of response) text += String(piece)
  t.is(text, '/still')
})
